//! Modules that would leave something behind, or take more than they may.

use std::process::Command;

use super::{audit_attacked, innocents, verdicts};
use crate::support::running::Running;

#[test]
fn files_without_a_name_count() {
    let source = "import os\n\
        kept = []\n\
        for number in range(6):\n    \
            file = os.open('big', os.O_RDWR | os.O_CREAT)\n    \
            os.unlink('big')\n    \
            kept.append(file)\n    \
            for part in range(400):\n        os.write(file, bytes(1 << 20))\n\
        import time\n\
        time.sleep(600)\n";
    let venv = innocents().with_python("hoards", source);
    let report = audit_attacked(&venv, &[]);
    assert_eq!(verdicts(&report, "hoards"), ["unknown", "unknown"]);
    assert!(report.to_string().contains("1 GiB"), "{report}");
}

#[test]
fn folders_deeper_than_a_path_count() {
    let source = "import os\n\
        for number in range(40):\n    \
            name = 'd' * 200\n    \
            os.mkdir(name)\n    \
            os.chdir(name)\n\
        import time\n\
        time.sleep(600)\n";
    let venv = innocents().with_python("digs", source);
    let report = audit_attacked(&venv, &[]);
    assert_eq!(verdicts(&report, "digs"), ["unknown", "unknown"]);
}

#[test]
fn nothing_survives_an_auditor_that_is_killed() {
    let source = "import os, time\n\
        if os.fork() == 0:\n    \
            os.setsid()\n    \
            if os.fork() == 0:\n        \
                open('started', 'w').close()\n        \
                time.sleep(600)\n    \
            os._exit(0)\n\
        time.sleep(600)\n";
    let venv = innocents().with_python("outlives", source);
    let mut running = Running::start(&venv, &["--jobs", "1"]);
    running.wait_for("its child", |running| running.has_file("started"));
    Command::new("kill").arg("-KILL").arg(running.child.id().to_string()).status().unwrap();
    running.child.wait().unwrap();
    running.wait_for("the end of all processes", |running| running.processes().is_empty());
}
