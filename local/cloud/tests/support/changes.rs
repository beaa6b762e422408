//! Waits for what files and processes tell: the kernel says when to look again.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::time::timeout;

/// After which a test fails instead of waiting.
const PATIENCE: Duration = Duration::from_secs(30);

/// What `find` finds: it looks again whenever something in this folder is written, made or removed.
pub async fn until<T>(folder: &Path, mut find: impl FnMut() -> Option<T>) -> T {
    let notices = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
    let kinds = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVED_TO;
    inotify::add_watch(&notices, folder, kinds).unwrap();
    // It is read as a pipe is.
    let mut notices = pipe::Receiver::from_file_unchecked(File::from(notices)).unwrap();
    let mut notice = [0; 4_096];
    loop {
        if let Some(found) = find() {
            return found;
        }
        let told = timeout(PATIENCE, notices.read(&mut notice)).await;
        let told = told.unwrap_or_else(|_| panic!("not found in {}", folder.display()));
        assert!(told.unwrap() > 0);
    }
}

/// Waits until a process has ended, whoever started it.
pub async fn ended(pid: i32) {
    match pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()) {
        Ok(process) => {
            let patience = Timespec::try_from(PATIENCE).unwrap();
            let wait = move || poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&patience));
            let ended = tokio::task::spawn_blocking(wait).await.unwrap();
            assert_eq!(ended, Ok(1), "process {pid} does not end");
        }
        // It has ended already.
        Err(error) => assert_eq!(error, Errno::SRCH),
    }
}
