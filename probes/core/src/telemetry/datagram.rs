//! The format of mod_wsgi's telemetry datagrams, version 1: encoder, decoder, and the table of fields.
//!
//! Sources: `src/server/wsgi_telemetry.h` of mod_wsgi 6.1.1, and the receiver mod_wsgi-telemetry 1.1.0. Everything is
//! little-endian; times are in seconds. A header of 24 bytes is followed by fields: id (u16), type (u8), and for byte
//! strings and arrays a length (u16), then the value.

use thiserror::Error;

/// The version of the format.
pub const VERSION: u8 = 1;

/// Size of the header in bytes.
pub const HEADER_SIZE: usize = 24;

/// What a receiver reads at most of a datagram, in bytes. mod_wsgi's own are smaller than 8 KiB.
pub const MAX_SIZE: usize = 65536;

const MAGIC: [u8; 4] = *b"WSGI";

/// Defines the kinds of datagrams: variant, number, name.
macro_rules! define_kinds {
    ($($kind:ident $number:literal $name:literal,)*) => {
        /// What a datagram is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $(#[doc = concat!("`", $name, "`.")] $kind,)*
            /// A kind that version 1 did not have in mod_wsgi 6.1.
            Other(u8),
        }

        impl Kind {
            /// Its number in the header.
            pub fn number(self) -> u8 {
                match self { $(Self::$kind => $number,)* Self::Other(number) => number }
            }

            /// The kind with a number.
            pub fn from_number(number: u8) -> Self {
                match number { $($number => Self::$kind,)* other => Self::Other(other) }
            }
        }
    };
}

define_kinds! {
    Process 1 "process_metrics",
    Request 2 "request_metrics",
    Server 3 "server_metrics",
    SlowRequest 4 "slow_request",
    ProcessStarted 5 "process_started",
    ProcessStopping 6 "process_stopping",
    ProcessStopped 7 "process_stopped",
    GcSnapshot 8 "gc_snapshot",
    GcEvent 9 "gc_event",
}

/// Defines the fields: constant, id, name.
macro_rules! define_fields {
    ($($constant:ident $id:literal $name:literal,)*) => {
        /// Ids of fields.
        pub mod field {
            $(#[doc = concat!("`", $name, "`.")] pub const $constant: u16 = $id;)*

            /// All of them, with the names that mod_wsgi-telemetry prints, in ascending order.
            pub const ALL: &[(u16, &str)] = &[$(($id, $name),)*];
        }
    };
}

define_fields! {
    MOD_WSGI_VERSION 1 "mod_wsgi_version",
    PYTHON_VERSION 2 "python_version",
    SERVER_VERSION 3 "apache_version",
    MPM_NAME 4 "mpm_name",
    HOST_NAME 5 "hostname",
    PROCESS_GROUP 6 "process_group",
    PARENT_PID 7 "process_parent_pid",
    INTERPRETER_NAME 8 "interpreter_name",
    SAMPLE_PERIOD 10 "sample_period",
    INTERVAL 11 "telemetry_interval",
    SLOW_THRESHOLD 12 "slow_requests_threshold",
    SWITCH_INTERVAL 13 "switch_interval",
    REQUEST_COUNT 20 "request_count",
    THROUGHPUT 21 "request_throughput",
    CAPACITY 22 "capacity_utilization",
    CPU_USER 30 "cpu_user_utilization",
    CPU_SYSTEM 31 "cpu_system_utilization",
    CPU 32 "cpu_utilization",
    CPU_USER_TIME 35 "cpu_user_time",
    CPU_SYSTEM_TIME 36 "cpu_system_time",
    CPU_TIME 37 "cpu_time",
    MEMORY 40 "memory_rss",
    MEMORY_MAXIMUM 41 "memory_max_rss",
    THREADS_MAXIMUM 50 "request_threads_maximum",
    THREADS_STARTED 51 "request_threads_started",
    THREADS_ACTIVE 52 "request_threads_active",
    SERVER_TIME 60 "server_time",
    QUEUE_TIME 61 "queue_time",
    DAEMON_TIME 62 "daemon_time",
    APPLICATION_TIME 63 "application_time",
    REQUEST_TIME 64 "request_time",
    GIL_WAIT_TIME 65 "gil_wait_time",
    INPUT_READ_TIME 66 "input_read_time",
    OUTPUT_WRITE_TIME 67 "output_write_time",
    SERVER_TIME_MINIMUM 70 "server_time_min",
    QUEUE_TIME_MINIMUM 71 "queue_time_min",
    DAEMON_TIME_MINIMUM 72 "daemon_time_min",
    APPLICATION_TIME_MINIMUM 73 "application_time_min",
    REQUEST_TIME_MINIMUM 74 "request_time_min",
    GIL_WAIT_TIME_MINIMUM 75 "gil_wait_time_min",
    INPUT_READ_TIME_MINIMUM 76 "input_read_time_min",
    OUTPUT_WRITE_TIME_MINIMUM 77 "output_write_time_min",
    SERVER_TIME_MAXIMUM 80 "server_time_max",
    QUEUE_TIME_MAXIMUM 81 "queue_time_max",
    DAEMON_TIME_MAXIMUM 82 "daemon_time_max",
    APPLICATION_TIME_MAXIMUM 83 "application_time_max",
    REQUEST_TIME_MAXIMUM 84 "request_time_max",
    GIL_WAIT_TIME_MAXIMUM 85 "gil_wait_time_max",
    INPUT_READ_TIME_MAXIMUM 86 "input_read_time_max",
    OUTPUT_WRITE_TIME_MAXIMUM 87 "output_write_time_max",
    SERVER_TIME_BUCKETS 90 "server_time_buckets",
    QUEUE_TIME_BUCKETS 91 "queue_time_buckets",
    DAEMON_TIME_BUCKETS 92 "daemon_time_buckets",
    APPLICATION_TIME_BUCKETS 93 "application_time_buckets",
    REQUEST_TIME_BUCKETS 94 "request_time_buckets",
    GIL_WAIT_TIME_BUCKETS 95 "gil_wait_time_buckets",
    INPUT_READ_TIME_BUCKETS 96 "input_read_time_buckets",
    OUTPUT_WRITE_TIME_BUCKETS 97 "output_write_time_buckets",
    INPUT_BYTES 100 "input_bytes_total",
    INPUT_READS 101 "input_reads_total",
    OUTPUT_BYTES 102 "output_bytes_total",
    OUTPUT_WRITES 103 "output_writes_total",
    WORKER_COMPLETED 110 "request_threads_completed",
    WORKER_BUSY 111 "request_threads_busy_time",
    WORKER_CPU 112 "request_threads_cpu_time",
    WORKER_ELAPSED 113 "request_threads_current_elapsed",
    WORKER_LONGEST 114 "request_threads_max_duration",
    STATUS_1XX 120 "status_1xx_total",
    STATUS_2XX 121 "status_2xx_total",
    STATUS_3XX 122 "status_3xx_total",
    STATUS_4XX 123 "status_4xx_total",
    STATUS_5XX 124 "status_5xx_total",
    STOP_REASON 130 "shutdown_reason",
    UPTIME 131 "process_uptime",
    LIFETIME_REQUESTS 132 "lifetime_request_count",
    ACTIVE_AT_DECISION 133 "active_requests_at_decision",
    ACTIVE_AT_EXIT 134 "active_requests_at_exit",
    IS_GRACEFUL 135 "graceful_drain",
    SLOW_STATE 200 "slow_record_state",
    SLOW_START 201 "slow_start_stamp",
    SLOW_DURATION 202 "slow_duration",
    SLOW_THREAD 203 "slow_thread_id",
    SLOW_LOG_ID 204 "slow_log_id",
    SLOW_SERVER_PID 205 "slow_server_pid",
    SLOW_METHOD 210 "slow_method",
    SLOW_SCHEME 211 "slow_scheme",
    SLOW_HOST 212 "slow_hostname",
    SLOW_SCRIPT_NAME 213 "slow_script_name",
    SLOW_PATH 214 "slow_path_info",
    SLOW_PROTOCOL 215 "slow_protocol",
    SLOW_PEER 216 "slow_peer_ip",
    SLOW_USER_AGENT 217 "slow_user_agent",
    SLOW_SERVER_TIME 220 "slow_server_time",
    SLOW_QUEUE_TIME 221 "slow_queue_time",
    SLOW_DAEMON_TIME 222 "slow_daemon_time",
    SLOW_APPLICATION_TIME 223 "slow_application_time",
    SLOW_GIL_WAIT_TIME 224 "slow_gil_wait_time",
    SLOW_GIL_WAIT_COUNT 225 "slow_gil_wait_count",
    SLOW_INPUT_BYTES 230 "slow_input_bytes",
    SLOW_INPUT_READS 231 "slow_input_reads",
    SLOW_OUTPUT_BYTES 232 "slow_output_bytes",
    SLOW_OUTPUT_WRITES 233 "slow_output_writes",
    SLOW_INPUT_READ_TIME 234 "slow_input_read_time",
    SLOW_OUTPUT_WRITE_TIME 235 "slow_output_write_time",
    SLOW_STATUS 240 "slow_status",
    SLOW_CPU_USER 250 "slow_cpu_user_time",
    SLOW_CPU_SYSTEM 251 "slow_cpu_system_time",
    SLOW_ACTIVE_AT_START 260 "slow_active_at_start",
    SLOW_ACTIVE_AT_COMPLETION 261 "slow_active_at_completion",
    GC_COUNT_0 300 "gc_count0",
    GC_COUNT_1 301 "gc_count1",
    GC_COUNT_2 302 "gc_count2",
    GC_THRESHOLD_0 303 "gc_threshold0",
    GC_THRESHOLD_1 304 "gc_threshold1",
    GC_THRESHOLD_2 305 "gc_threshold2",
    GC_COLLECTIONS_0 306 "gc_collections0",
    GC_COLLECTIONS_1 307 "gc_collections1",
    GC_COLLECTIONS_2 308 "gc_collections2",
    GC_COLLECTED_0 309 "gc_collected0",
    GC_COLLECTED_1 310 "gc_collected1",
    GC_COLLECTED_2 311 "gc_collected2",
    GC_UNCOLLECTABLE_0 312 "gc_uncollectable0",
    GC_UNCOLLECTABLE_1 313 "gc_uncollectable1",
    GC_UNCOLLECTABLE_2 314 "gc_uncollectable2",
    GC_IS_ENABLED 315 "gc_is_enabled",
    GC_FREEZE_COUNT 316 "gc_freeze_count",
    GC_DROPPED_EVENTS 317 "gc_dropped_events",
    GC_EVENT_START 320 "gc_event_start_stamp",
    GC_EVENT_DURATION 321 "gc_event_duration",
    GC_EVENT_GENERATION 322 "gc_event_generation",
    GC_EVENT_COLLECTED 323 "gc_event_collected",
    GC_EVENT_UNCOLLECTABLE 324 "gc_event_uncollectable",
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Type 1.
    U64(u64),
    /// Type 2.
    F64(f64),
    /// Type 3.
    I64(i64),
    /// Type 4: text, UTF-8 as a rule.
    Bytes(Vec<u8>),
    /// Type 5.
    I32Array(Vec<i32>),
    /// Type 6.
    F64Array(Vec<f64>),
}

/// A datagram.
#[derive(Clone, Debug, PartialEq)]
pub struct Datagram {
    /// What it is about.
    pub kind: Kind,
    /// The process that it is about.
    pub pid: u32,
    /// Its number, counted by the process.
    pub sequence: u32,
    /// When it was sent: seconds since 1970.
    pub time: f64,
    /// Its fields, in their order, also unknown ones.
    pub fields: Vec<(u16, Value)>,
}

/// Why bytes are not a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Shorter than a header.
    #[error("shorter than a header")]
    NoHeader,
    /// It does not begin with `WSGI`.
    #[error("not a telemetry datagram")]
    NotTelemetry,
    /// Another version of the format.
    #[error("version {0} of the format, not {VERSION}")]
    OtherVersion(u8),
    /// A type of a field that version 1 does not have.
    #[error("unknown type {0} of field {1}")]
    UnknownType(u8, u16),
    /// It ends in the middle of a field.
    #[error("cut off")]
    CutOff,
    /// A time that is not a finite number.
    #[error("its time is not a number")]
    NoTime,
}

impl Datagram {
    /// A datagram without fields.
    pub fn new(kind: Kind, pid: u32, sequence: u32, time: f64) -> Self {
        Self { kind, pid, sequence, time, fields: Vec::new() }
    }

    /// Adds a number.
    pub fn add_count(&mut self, id: u16, value: u64) {
        self.fields.push((id, Value::U64(value)));
    }

    /// Adds a time or a ratio.
    pub fn add_number(&mut self, id: u16, value: f64) {
        self.fields.push((id, Value::F64(value)));
    }

    /// Adds a text, unless it is empty. What is beyond 65535 bytes is left out.
    pub fn add_text(&mut self, id: u16, text: &str) {
        if !text.is_empty() {
            let bytes = text.as_bytes();
            self.fields.push((id, Value::Bytes(bytes.iter().copied().take(u16::MAX.into()).collect())));
        }
    }

    /// Adds an array of counts; what does not fit 31 bits is the largest number that does.
    pub fn add_counts(&mut self, id: u16, values: &[u64]) {
        let values = values.iter().map(|value| i32::try_from(*value).unwrap_or(i32::MAX)).collect();
        self.fields.push((id, Value::I32Array(values)));
    }

    /// Adds an array of times.
    pub fn add_numbers(&mut self, id: u16, values: Vec<f64>) {
        self.fields.push((id, Value::F64Array(values)));
    }

    /// The bytes to send. Arrays are cut off after 65535 elements.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1024);
        bytes.extend(MAGIC);
        bytes.extend([VERSION, self.kind.number(), 0, 0]);
        bytes.extend(self.pid.to_le_bytes());
        bytes.extend(self.sequence.to_le_bytes());
        bytes.extend(self.time.to_le_bytes());
        for (id, value) in &self.fields {
            bytes.extend(id.to_le_bytes());
            value.encode(&mut bytes);
        }
        bytes
    }

    /// Reads a datagram. Fields with unknown ids are kept.
    ///
    /// # Errors
    /// If it is damaged, or something else.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader(bytes);
        let magic: [u8; 4] = reader.take_array().map_err(|_| DecodeError::NoHeader)?;
        if magic != MAGIC {
            return Err(DecodeError::NotTelemetry);
        }
        if bytes.len() < HEADER_SIZE {
            return Err(DecodeError::NoHeader);
        }
        let [version, kind, _, _] = reader.take_array()?;
        if version != VERSION {
            return Err(DecodeError::OtherVersion(version));
        }
        let pid = u32::from_le_bytes(reader.take_array()?);
        let sequence = u32::from_le_bytes(reader.take_array()?);
        let time = f64::from_le_bytes(reader.take_array()?);
        if !time.is_finite() {
            return Err(DecodeError::NoTime);
        }
        let mut datagram = Self::new(Kind::from_number(kind), pid, sequence, time);
        while !reader.0.is_empty() {
            let id = u16::from_le_bytes(reader.take_array()?);
            datagram.fields.push((id, Value::decode(id, &mut reader)?));
        }
        Ok(datagram)
    }

    /// The value of a field; the last one, if there are several.
    pub fn find(&self, id: u16) -> Option<&Value> {
        self.fields.iter().rev().find(|(each, _)| *each == id).map(|(_, value)| value)
    }

    /// A finite number, of whatever type.
    pub fn number(&self, id: u16) -> Option<f64> {
        match self.find(id)? {
            Value::U64(value) => Some(*value as f64),
            Value::F64(value) => value.is_finite().then_some(*value),
            Value::I64(value) => Some(*value as f64),
            Value::Bytes(_) | Value::I32Array(_) | Value::F64Array(_) => None,
        }
    }

    /// A count. Negative numbers and fractions are none.
    pub fn count(&self, id: u16) -> Option<u64> {
        match self.find(id)? {
            Value::U64(value) => Some(*value),
            Value::I64(value) => u64::try_from(*value).ok(),
            Value::F64(_) | Value::Bytes(_) | Value::I32Array(_) | Value::F64Array(_) => None,
        }
    }

    /// A text; what is not UTF-8 is replaced.
    pub fn text(&self, id: u16) -> Option<String> {
        match self.find(id)? {
            Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Value::U64(_) | Value::F64(_) | Value::I64(_) | Value::I32Array(_) | Value::F64Array(_) => None,
        }
    }

    /// An array of counts; negative ones are 0. Empty if there is none.
    pub fn counts(&self, id: u16) -> Vec<u64> {
        match self.find(id) {
            Some(Value::I32Array(values)) => {
                values.iter().map(|value| u64::try_from(*value).unwrap_or(0)).collect()
            }
            Some(Value::U64(_) | Value::F64(_) | Value::I64(_) | Value::Bytes(_) | Value::F64Array(_))
            | None => Vec::new(),
        }
    }

    /// An array of numbers; those that are not finite are 0. Empty if there is none.
    pub fn numbers(&self, id: u16) -> Vec<f64> {
        match self.find(id) {
            Some(Value::F64Array(values)) => {
                values.iter().map(|value| if value.is_finite() { *value } else { 0.0 }).collect()
            }
            Some(Value::U64(_) | Value::F64(_) | Value::I64(_) | Value::Bytes(_) | Value::I32Array(_))
            | None => Vec::new(),
        }
    }
}

impl Value {
    fn encode(&self, bytes: &mut Vec<u8>) {
        let length = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
        match self {
            Self::U64(value) => {
                bytes.push(1);
                bytes.extend(value.to_le_bytes());
            }
            Self::F64(value) => {
                bytes.push(2);
                bytes.extend(value.to_le_bytes());
            }
            Self::I64(value) => {
                bytes.push(3);
                bytes.extend(value.to_le_bytes());
            }
            Self::Bytes(text) => {
                bytes.push(4);
                bytes.extend(length(text.len()).to_le_bytes());
                bytes.extend(text.iter().take(u16::MAX.into()));
            }
            Self::I32Array(values) => {
                bytes.push(5);
                bytes.extend(length(values.len()).to_le_bytes());
                bytes.extend(values.iter().take(u16::MAX.into()).flat_map(|value| value.to_le_bytes()));
            }
            Self::F64Array(values) => {
                bytes.push(6);
                bytes.extend(length(values.len()).to_le_bytes());
                bytes.extend(values.iter().take(u16::MAX.into()).flat_map(|value| value.to_le_bytes()));
            }
        }
    }

    fn decode(id: u16, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let [kind] = reader.take_array()?;
        Ok(match kind {
            1 => Self::U64(u64::from_le_bytes(reader.take_array()?)),
            2 => Self::F64(f64::from_le_bytes(reader.take_array()?)),
            3 => Self::I64(i64::from_le_bytes(reader.take_array()?)),
            4 => {
                let length = reader.take_length()?;
                Self::Bytes(reader.take(length)?.to_vec())
            }
            5 => {
                let length = reader.take_length()?;
                let values = reader.take(length * 4)?.as_chunks::<4>().0.iter();
                Self::I32Array(values.map(|value| i32::from_le_bytes(*value)).collect())
            }
            6 => {
                let length = reader.take_length()?;
                let values = reader.take(length * 8)?.as_chunks::<8>().0.iter();
                Self::F64Array(values.map(|value| f64::from_le_bytes(*value)).collect())
            }
            other => return Err(DecodeError::UnknownType(other, id)),
        })
    }
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(DecodeError::CutOff)?;
        self.0 = rest;
        Ok(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(DecodeError::CutOff)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn take_length(&mut self) -> Result<usize, DecodeError> {
        Ok(u16::from_le_bytes(self.take_array()?).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Datagram {
        let mut datagram = Datagram::new(Kind::Request, 4321, 7, 1.5);
        datagram.add_count(field::REQUEST_COUNT, 300);
        datagram.add_number(field::THROUGHPUT, -2.0);
        datagram.fields.push((999, Value::I64(-1)));
        datagram.add_text(field::HOST_NAME, "web");
        datagram.add_text(field::MPM_NAME, "");
        datagram.add_counts(field::WORKER_COMPLETED, &[1, 1 << 40]);
        datagram.add_numbers(field::WORKER_BUSY, vec![0.5]);
        datagram
    }

    #[test]
    fn every_byte_is_where_mod_wsgi_has_it() {
        #[rustfmt::skip]
        let expected: &[u8] = &[
            b'W', b'S', b'G', b'I', 1, 2, 0, 0,
            0xe1, 0x10, 0, 0, 7, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0xf8, 0x3f,
            20, 0, 1, 0x2c, 1, 0, 0, 0, 0, 0, 0,
            21, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0xc0,
            0xe7, 3, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            5, 0, 4, 3, 0, b'w', b'e', b'b',
            110, 0, 5, 2, 0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f,
            111, 0, 6, 1, 0, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f,
        ];
        assert_eq!(sample().encode(), expected);
        assert_eq!(Datagram::decode(expected), Ok(sample()));
    }

    #[test]
    fn values_are_found_by_id_and_type() {
        let datagram = sample();
        assert_eq!((datagram.count(20), datagram.number(20)), (Some(300), Some(300.0)));
        assert_eq!((datagram.count(21), datagram.number(21)), (None, Some(-2.0)));
        assert_eq!((datagram.count(999), datagram.number(999)), (None, Some(-1.0)));
        assert_eq!(
            (datagram.text(5), datagram.text(20), datagram.text(4)),
            (Some("web".to_owned()), None, None)
        );
        assert_eq!((datagram.counts(110), datagram.counts(111)), (vec![1, i32::MAX as u64], vec![]));
        assert_eq!((datagram.numbers(111), datagram.numbers(110)), (vec![0.5], vec![]));
        let mut odd = Datagram::new(Kind::Process, 1, 1, 0.0);
        odd.add_number(21, f64::NAN);
        odd.add_numbers(111, vec![f64::INFINITY]);
        odd.fields.push((110, Value::I32Array(vec![-5])));
        assert_eq!((odd.number(21), odd.numbers(111), odd.counts(110)), (None, vec![0.0], vec![0]));
    }

    #[test]
    fn whatever_is_cut_off_is_an_error() {
        let bytes = sample().encode();
        let mut whole = Vec::new();
        for size in 0..bytes.len() {
            match Datagram::decode(&bytes[..size]) {
                Ok(datagram) => whole.push(datagram.fields.len()),
                Err(error) if size < HEADER_SIZE => {
                    assert_eq!(error, DecodeError::NoHeader, "{size}");
                }
                Err(error) => assert_eq!(error, DecodeError::CutOff, "{size}"),
            }
        }
        // Between two fields.
        assert_eq!(whole, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn what_is_something_else_says_so() {
        let changed = |at: usize, to: u8| {
            let mut bytes = sample().encode();
            bytes[at] = to;
            Datagram::decode(&bytes)
        };
        assert_eq!(changed(0, b'w'), Err(DecodeError::NotTelemetry));
        assert_eq!(changed(4, 2), Err(DecodeError::OtherVersion(2)));
        assert_eq!(changed(26, 7), Err(DecodeError::UnknownType(7, 20)));
        assert_eq!(changed(5, 77).map(|datagram| datagram.kind), Ok(Kind::Other(77)));
        // The exponent of the time: infinity and above.
        let mut bytes = sample().encode();
        bytes[22..24].copy_from_slice(&[0xf0, 0x7f]);
        assert_eq!(Datagram::decode(&bytes), Err(DecodeError::NoTime));
        assert_eq!(Datagram::decode(b"HELLO"), Err(DecodeError::NotTelemetry));
    }

    #[test]
    fn kinds_have_numbers_and_fields_are_sorted() {
        for number in 0..=255 {
            assert_eq!(Kind::from_number(number).number(), number);
        }
        assert!(field::ALL.is_sorted_by(|one, other| one.0 < other.0));
    }
}
