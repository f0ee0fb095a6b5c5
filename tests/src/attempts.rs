//! What somebody would try who got into the agent, or into one of its hooks: each attempt once, harmlessly, from a process of its own.
//!
//! Without anything given up, root may do all of it (or the kernel has no such thing): the tests look at both.

use std::{
    collections::BTreeMap,
    ffi::CString,
    fs, io,
    path::{Path, PathBuf},
    ptr,
};

use serde::{Deserialize, Serialize};

/// What became of each attempt, by its name.
pub type Outcomes = BTreeMap<String, Outcome>;

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused: EPERM or EACCES.
    Refused,
    /// It failed for another reason, after rights had been looked at: what was asked for made no sense, or this kernel has no such thing.
    Senseless,
}

/// Where the attempts may leave something.
#[derive(Clone, Debug)]
pub struct Places {
    /// A directory that the agent may write to.
    pub own: PathBuf,
    /// One that it may not.
    pub others: PathBuf,
}

/// What the agent's hooks need: if these are refused, hooks do not work.
pub const NEEDED: [&str; 2] = ["start a program", "write to its own directory"];

/// Tries everything. The process is of no use afterwards.
#[must_use]
pub fn all(places: &Places) -> Outcomes {
    let attempts: [(&str, &dyn Fn() -> io::Result<()>); 18] = [
        (NEEDED[0], &start_a_program),
        (NEEDED[1], &|| write(&places.own)),
        ("write elsewhere", &|| write(&places.others)),
        ("open a raw socket", &|| socket(libc::AF_INET, libc::SOCK_RAW)),
        ("open a packet socket", &|| socket(libc::AF_PACKET, libc::SOCK_RAW)),
        ("open a socket of another family", &|| {
            socket(libc::AF_ALG, libc::SOCK_SEQPACKET)
        }),
        ("mount", &|| mount(&places.own)),
        ("leave the mounts", &|| unshare(libc::CLONE_NEWNS)),
        ("trace a process", &trace),
        ("read another's memory", &read_memory),
        ("load a module", &|| call(libc::SYS_init_module, [0, 0, 0, 0])),
        ("load another kernel", &|| call(libc::SYS_kexec_load, [0, 0, 0, 0xffff])),
        ("open a file by its handle", &|| {
            call(libc::SYS_open_by_handle_at, [-1, 0, 0, 0])
        }),
        ("set the clock", &|| call(libc::SYS_clock_settime, [-1, 0, 0, 0])),
        ("use io_uring", &|| call(libc::SYS_io_uring_setup, [0, 0, 0, 0])),
        ("list BPF programs", &list_programs),
        // The last two: they change who the process is.
        ("be root of a user namespace", &|| unshare(libc::CLONE_NEWUSER)),
        ("become another user", &|| {
            call(libc::SYS_setresuid, [12_345, 12_345, 12_345, 0])
        }),
    ];
    attempts
        .into_iter()
        .map(|(name, attempt)| (name.to_owned(), outcome(&attempt())))
        .collect()
}

fn outcome(result: &io::Result<()>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Outcome::Refused,
        Err(_) => Outcome::Senseless,
    }
}

fn done(result: i64) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// A system call whose arguments are numbers, and of no sense where they are pointers.
fn call(number: i64, [a, b, c, d]: [i64; 4]) -> io::Result<()> {
    // SAFETY: the callers pass numbers and null pointers only, for which the kernel answers with an error.
    done(unsafe { libc::syscall(number, a, b, c, d) })
}

fn start_a_program() -> io::Result<()> {
    std::process::Command::new("/bin/true").status().map(drop)
}

fn write(directory: &Path) -> io::Result<()> {
    let file = directory.join("attempt");
    fs::write(&file, "attempt")?;
    fs::remove_file(&file)
}

fn socket(family: i32, kind: i32) -> io::Result<()> {
    // SAFETY: numbers only; the descriptor ends with the process.
    done(i64::from(unsafe { libc::socket(family, kind, 0) }))
}

fn unshare(flags: i32) -> io::Result<()> {
    // SAFETY: numbers only.
    done(i64::from(unsafe { libc::unshare(flags) }))
}

/// An empty file system over a directory, taken off at once.
fn mount(directory: &Path) -> io::Result<()> {
    let path = CString::new(directory.as_os_str().as_encoded_bytes())?;
    // SAFETY: all four are strings that live through the calls.
    unsafe {
        let mounted = libc::mount(c"none".as_ptr(), path.as_ptr(), c"tmpfs".as_ptr(), 0, ptr::null());
        done(i64::from(mounted))?;
        done(i64::from(libc::umount2(path.as_ptr(), libc::MNT_DETACH)))
    }
}

fn trace() -> io::Result<()> {
    // SAFETY: only asks that the parent may trace this process; pointers are not looked at.
    done(unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, ptr::null_mut::<u8>(), ptr::null_mut::<u8>()) })
}

fn read_memory() -> io::Result<()> {
    // SAFETY: nothing is to be read: both lists are empty.
    done(unsafe { libc::process_vm_readv(libc::getppid(), ptr::null(), 0, ptr::null(), 0, 0) } as i64)
}

/// `BPF_PROG_GET_NEXT_ID`, which takes CAP_SYS_ADMIN.
fn list_programs() -> io::Result<()> {
    const GET_NEXT_ID: i64 = 11;
    let attributes = [0_u32; 4];
    // SAFETY: the kernel reads and writes as many bytes as it is told, which are those of `attributes`.
    done(unsafe {
        libc::syscall(
            libc::SYS_bpf,
            GET_NEXT_ID,
            &raw const attributes,
            size_of_val(&attributes),
        )
    })
}
