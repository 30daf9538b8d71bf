//! Serves files of folders, without Python.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use hyper::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, HeaderValue, LAST_MODIFIED, VARY,
};
use hyper::{Method, Response};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use wsgiaudit_probes_core::error_response::ErrorResponse;
use wsgiaudit_probes_core::request_path::RequestPath;
use wsgiaudit_probes_core::static_file::{
    ContentCoding, FileAnswer, FileVersion, find_relative_path, guess_content_type,
};

use super::log::log_error;
use super::request_exchange::{ResponseAborted, ResponseBody, WsgiResponse};

/// Number of blocks that are read ahead for a slow client.
const MAX_BUFFERED_BLOCKS: usize = 2;

/// Size of the blocks that files are read in.
const BLOCK_SIZE: u64 = 128 << 10;

/// A file that is open, and what tells its versions apart.
struct OpenFile {
    file: File,
    version: FileVersion,
}

/// Answers a request for a file.
///
/// # Errors
/// The response, if there is no such file, or the method is another one than GET and HEAD.
pub(super) async fn serve_file(
    folder: &str,
    prefix: &str,
    path: &RequestPath,
    (method, headers): (&Method, &HeaderMap),
) -> Result<WsgiResponse, ErrorResponse> {
    if ![Method::GET, Method::HEAD].contains(method) {
        return Err(ErrorResponse::MethodNotAllowed);
    }
    let file = find_relative_path(path.split_at_mount(prefix).1).ok_or(ErrorResponse::NotFound)?;
    let content_type = guess_content_type(&file);
    let codings = ContentCoding::list_accepted(headers);
    let folder = folder.to_owned();
    let opened = spawn_blocking(move || open_best(&folder, &file, &codings)).await;
    let opened = opened.ok().flatten().ok_or(ErrorResponse::NotFound)?;
    let now = SystemTime::now();
    let answer = opened.version.choose_answer(method, headers, now);
    let mut response = Response::new(ResponseBody::Whole(None));
    *response.status_mut() = answer.status();
    write_headers(response.headers_mut(), &opened.version, answer, now);
    let (first, count) = answer.bytes_of(&opened.version);
    if [FileAnswer::NotModified, FileAnswer::PreconditionFailed].contains(&answer) {
        return Ok(response);
    }
    response.headers_mut().insert(CONTENT_LENGTH, count.into());
    if answer != FileAnswer::NoSuchRange {
        insert_text(response.headers_mut(), CONTENT_TYPE, &content_type);
        if *method == Method::GET {
            *response.body_mut() = read_bytes(opened.file, first, count).await?;
        }
    }
    Ok(response)
}

fn write_headers(headers: &mut HeaderMap, version: &FileVersion, answer: FileAnswer, now: SystemTime) {
    insert_text(headers, ETAG, &version.entity_tag());
    insert_text(headers, LAST_MODIFIED, &version.last_modified(now));
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(range) = answer.content_range(version) {
        insert_text(headers, CONTENT_RANGE, &range);
    }
    if let Some(coding) = version.coding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    }
}

/// Inserts a header with a value that has no byte which HTTP does not allow.
fn insert_text(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

/// Opens a file, or a coded one beside it. `None` if there is no such regular file.
fn open_best(folder: &str, file: &Path, codings: &[ContentCoding]) -> Option<OpenFile> {
    // Opened for each request, so that a folder that is a link to a release may change.
    let opened = Dir::open_ambient_dir(folder, ambient_authority());
    let folder = opened.inspect_err(|error| log_error(&format!("cannot open {folder}: {error}"))).ok()?;
    let original = open_file(&folder, file, None)?;
    let coded =
        codings.iter().find_map(|coding| open_file(&folder, &coding.path_beside(file), Some(*coding)));
    Some(coded.unwrap_or(original))
}

/// Opens a regular file below a folder. A link is followed only inside of it.
fn open_file(folder: &Dir, path: &Path, coding: Option<ContentCoding>) -> Option<OpenFile> {
    let mut options = OpenOptions::new();
    // Without waiting for the other end of a pipe.
    options.read(true).custom_flags(libc::O_NONBLOCK);
    let opened = folder.open_with(path, &options).inspect_err(|error| {
        // Errors that do not come from the name alone, which the client chooses.
        if let Some(libc::EACCES | libc::EMFILE | libc::ENFILE | libc::EIO) = error.raw_os_error() {
            log_error(&format!("cannot open the static file {}: {error}", path.display()));
        }
    });
    let file = opened.ok()?.into_std();
    let metadata = file.metadata().ok().filter(|metadata| metadata.is_file())?;
    let modified = metadata.modified().unwrap_or(UNIX_EPOCH);
    Some(OpenFile { file, version: FileVersion { size: metadata.len(), modified, coding } })
}

/// Returns the body of a response: these bytes of a file, read at once if they are few.
async fn read_bytes(file: File, first: u64, count: u64) -> Result<ResponseBody, ErrorResponse> {
    if count <= BLOCK_SIZE {
        return match read_block(file, first, count).await {
            Ok((block, _)) => Ok(ResponseBody::Whole(Some(block))),
            Err(_) => Err(ErrorResponse::NoResponse),
        };
    }
    let (blocks, receiver) = mpsc::channel(MAX_BUFFERED_BLOCKS);
    tokio::spawn(send_blocks(file, first, count, blocks));
    Ok(ResponseBody::Pieces { receiver, left: Some(count) })
}

/// Reads a block of this size from this position.
///
/// # Errors
/// If the file has become shorter, too.
async fn read_block(mut file: File, from: u64, size: u64) -> io::Result<(Bytes, File)> {
    let read = spawn_blocking(move || {
        file.seek(SeekFrom::Start(from))?;
        let mut block = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
        file.read_exact(&mut block)?;
        Ok((block.into(), file))
    });
    let read = read.await.map_err(io::Error::other).flatten();
    read.inspect_err(|error| log_error(&format!("cannot read a static file: {error}")))
}

/// Sends a file in blocks, as fast as the client takes them. No thread waits meanwhile. A client that takes too long is
/// disconnected, which ends this.
async fn send_blocks(
    mut file: File,
    first: u64,
    count: u64,
    blocks: mpsc::Sender<Result<Bytes, ResponseAborted>>,
) {
    let (mut from, end) = (first, first + count);
    while from < end {
        let size = BLOCK_SIZE.min(end - from);
        let Ok((block, same)) = read_block(file, from, size).await else {
            drop(blocks.send(Err(ResponseAborted)).await);
            return;
        };
        file = same;
        from += size;
        if blocks.send(Ok(block)).await.is_err() {
            return;
        }
    }
}
