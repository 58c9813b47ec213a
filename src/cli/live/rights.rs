//! Rights: only as many as the open capture needs, and that is none.

use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, User};

use crate::base::printable;

/// What will be given up, and for whom.
pub(super) struct Rights {
    /// Whom to become; `None`: it is not root that runs this.
    user: Option<Target>,
    keep: bool,
}

/// A user to become.
struct Target {
    uid: Uid,
    gid: Gid,
    name: String,
}

impl Rights {
    /// Finds out what there is to give up.
    ///
    /// # Errors
    ///
    /// sudo's word on who invoked it makes no sense.
    pub(super) fn plan(keep: bool) -> anyhow::Result<Rights> {
        let user = if Uid::effective().is_root() && !keep { Some(target()?) } else { None };
        Ok(Rights { user, keep })
    }

    /// Creates a file that is to be written later, so that it belongs to who will write it, wherever it is.
    ///
    /// # Errors
    ///
    /// It cannot be created.
    pub(super) fn prepare_file(&self, file: &Path) -> anyhow::Result<()> {
        let Some(user) = &self.user else { return Ok(()) };
        // Only a new file is given away: what was there before, or behind a link, is not ours to give.
        match std::fs::OpenOptions::new().write(true).create_new(true).open(file) {
            Ok(new) => {
                nix::unistd::fchown(&new, Some(user.uid), Some(user.gid))?;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(anyhow::anyhow!("cannot create {}: {error}", printable(&file.display().to_string(), 400))),
        }
    }

    /// Creates a folder that is to be written to later, if there is none, so that it belongs to who will write to it.
    ///
    /// # Errors
    ///
    /// It cannot be created.
    pub(super) fn prepare_folder(&self, folder: &Path) -> anyhow::Result<()> {
        match std::fs::create_dir(folder) {
            Ok(()) => match &self.user {
                Some(user) => Ok(nix::unistd::chown(folder, Some(user.uid), Some(user.gid))?),
                None => Ok(()),
            },
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(anyhow::anyhow!("cannot create {}: {error}", printable(&folder.display().to_string(), 400))),
        }
    }

    /// Gives them up, but for writing in the folders `writable`. What was given up, in words.
    ///
    /// # Errors
    ///
    /// They cannot be given up: then nothing that comes from the network may be looked at.
    pub(super) fn give_up(self, writable: &[PathBuf]) -> anyhow::Result<String> {
        if self.keep {
            return Ok("all rights are kept (--no-sandbox)".to_owned());
        }
        let mut given: Vec<String> = Vec::new();
        bar_capabilities();
        if let Some(user) = &self.user {
            become_user(user).map_err(|error| anyhow::anyhow!("cannot become {}: {error}", user.name))?;
            given.push(format!("now {}", user.name));
        }
        given.push(drop_capabilities()?.to_owned());
        given.push(confine(writable)?);
        Ok(format!("rights given up: {}", given.join(", ")))
    }
}

/// Whom root becomes: who invoked sudo, or else nobody.
fn target() -> anyhow::Result<Target> {
    let number = |name: &str| -> anyhow::Result<Option<u32>> {
        let Some(value) = std::env::var_os(name) else { return Ok(None) };
        let parsed = value.to_str().and_then(|value| value.parse().ok());
        parsed.map(Some).ok_or_else(|| anyhow::anyhow!("{name} is no number: '{}'", printable(&value.to_string_lossy(), 40)))
    };
    if let (Some(uid), Some(gid)) = (number("SUDO_UID")?.filter(|uid| *uid != 0), number("SUDO_GID")?) {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        let name = User::from_uid(uid).ok().flatten().map_or_else(|| format!("user {uid}"), |user| user.name);
        return Ok(Target { uid, gid, name: printable(&name, 60) });
    }
    /// What kernels and most systems call nobody.
    const NOBODY: u32 = 65_534;
    Ok(match User::from_name("nobody").ok().flatten() {
        Some(user) => Target { uid: user.uid, gid: user.gid, name: user.name },
        None => Target { uid: Uid::from_raw(NOBODY), gid: Gid::from_raw(NOBODY), name: format!("user {NOBODY}") },
    })
}

/// Where a file is, as a path that exists.
pub(super) fn folder(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(target_os = "linux")]
fn become_user(user: &Target) -> nix::Result<()> {
    use nix::unistd::{initgroups, setgroups, setresgid, setresuid};

    let known = std::ffi::CString::new(user.name.as_str()).ok().filter(|_| User::from_name(&user.name).is_ok_and(|user| user.is_some()));
    match known {
        Some(name) => initgroups(&name, user.gid)?,
        None => setgroups(&[user.gid])?,
    }
    setresgid(user.gid, user.gid, user.gid)?;
    setresuid(user.uid, user.uid, user.uid)
}

#[cfg(not(target_os = "linux"))]
fn become_user(user: &Target) -> nix::Result<()> {
    nix::unistd::setgid(user.gid)?;
    nix::unistd::setuid(user.uid)
}

/// Closes the way to gain capabilities by running a program. That takes a capability; without it no_new_privs does the same.
#[cfg(target_os = "linux")]
fn bar_capabilities() {
    for capability in caps::all() {
        let _ = caps::drop(None, caps::CapSet::Bounding, capability);
    }
}

#[cfg(not(target_os = "linux"))]
fn bar_capabilities() {}

/// Gives up every capability, and the way to gain any.
#[cfg(target_os = "linux")]
fn drop_capabilities() -> anyhow::Result<&'static str> {
    use caps::CapSet;

    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        caps::clear(None, set).map_err(|error| anyhow::anyhow!("cannot give up capabilities: {error}"))?;
    }
    nix::sys::prctl::set_no_new_privs()?;
    anyhow::ensure!(
        caps::read(None, CapSet::Permitted).is_ok_and(|left| left.is_empty()),
        "cannot give up capabilities: the kernel still lists some"
    );
    Ok("without capabilities")
}

#[cfg(not(target_os = "linux"))]
fn drop_capabilities() -> anyhow::Result<&'static str> {
    Ok("without root")
}

/// For the helper that looks into processes: becomes who the program becomes, and keeps two capabilities, where it has them, and no others.
#[cfg(target_os = "linux")]
pub(super) fn keep_looking_only() -> anyhow::Result<()> {
    use caps::{CapSet, Capability};

    let have = caps::read(None, CapSet::Permitted)?;
    let keep: caps::CapsHashSet =
        [Capability::CAP_SYS_PTRACE, Capability::CAP_DAC_READ_SEARCH].into_iter().filter(|capability| have.contains(capability)).collect();
    let Rights { user, .. } = Rights::plan(false)?;
    bar_capabilities();
    if let Some(user) = &user {
        nix::sys::prctl::set_keepcaps(true)?;
        become_user(user)?;
    }
    caps::clear(None, CapSet::Ambient)?;
    caps::clear(None, CapSet::Inheritable)?;
    caps::set(None, CapSet::Effective, &caps::CapsHashSet::new())?;
    caps::set(None, CapSet::Permitted, &keep)?;
    caps::set(None, CapSet::Effective, &keep)?;
    Ok(nix::sys::prctl::set_no_new_privs()?)
}

/// Confines the program with Landlock: it may write below `folders`, look at what is needed for counting losses, and touch nothing else.
#[cfg(target_os = "linux")]
fn confine(folders: &[PathBuf]) -> anyhow::Result<String> {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope, path_beneath_rules,
    };

    /// The newest version of Landlock that this was tried with; older ones confine less.
    const VERSION: ABI = ABI::V6;
    let failed = |error: landlock::RulesetError| anyhow::anyhow!("cannot confine itself with Landlock: {error}");
    let status = Ruleset::default()
        .set_compatibility(landlock::CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(VERSION))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(VERSION)))
        .and_then(|rules| rules.scope(Scope::from_all(VERSION)))
        .and_then(Ruleset::create)
        .and_then(|rules| rules.add_rules(path_beneath_rules(["/sys/class/net", "/sys/devices"], AccessFs::from_read(VERSION))))
        .and_then(|rules| rules.add_rules(path_beneath_rules(folders, AccessFs::from_all(VERSION) & !AccessFs::Execute)))
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(failed)?;
    let where_to = match folders {
        [] => "no file may be written".to_owned(),
        folders => {
            let names: Vec<String> = folders.iter().map(|folder| printable(&folder.display().to_string(), 200)).collect();
            format!("files only in {}", names.join(" and "))
        }
    };
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => format!("{where_to} (Landlock)"),
        RulesetStatus::PartiallyEnforced => format!("{where_to} (Landlock, as far as this kernel has it)"),
        RulesetStatus::NotEnforced => "not confined to folders: this kernel has no Landlock".to_owned(),
    })
}

#[cfg(not(target_os = "linux"))]
fn confine(_: &[PathBuf]) -> anyhow::Result<String> {
    Ok("not confined to folders: that takes Linux".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_folder_is_in_this_one() {
        assert_eq!(folder(Path::new("log")), Path::new("."));
        assert_eq!(folder(Path::new("/log")), Path::new("/"));
        assert_eq!(folder(Path::new("/var/log/x")), Path::new("/var/log"));
    }
}
