//! The system calls that processes inside may make.
//!
//! An allow-list: what `table.rs` does not name fails with `EPERM`. `clone3` alone fails with `ENOSYS`,
//! because its flags lie in memory where a filter cannot look; every libc then falls back to `clone`,
//! whose flags are checked. The programs are compiled once, in the keeper, before anything is forked.
//!
//! Installing the allow-list takes most of a millisecond, so it happens while a sandbox is being prepared,
//! with the few calls in [`SETUP`] still allowed; a tiny last filter then forbids those too.

mod porter;
mod table;

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

/// What process 1 still needs after the first filters: mounts, a root, its own user, and the last filter itself.
const SETUP: [i64; 9] = [
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_umount2,
    libc::SYS_mount_setattr,
    libc::SYS_setgroups,
    libc::SYS_unshare,
    libc::SYS_seccomp,
];

/// A condition on the arguments of an allowed call. All conditions of one alternative must hold.
#[derive(Debug, Clone, Copy)]
enum Arg {
    /// Argument `index` is exactly `value` (32 bits).
    Is { index: u8, value: u64 },
    /// Argument `index` is anything but `value` (32 bits).
    Not { index: u8, value: u64 },
    /// Argument `index` has none of the bits in `mask`.
    Without { index: u8, mask: u64 },
}

/// The compiled filters.
#[derive(Debug, Clone)]
pub(crate) struct Filters {
    no_clone3: BpfProgram,
    allowed: BpfProgram,
    no_setup: BpfProgram,
}

impl Filters {
    /// Compiles the table for this machine.
    pub(crate) fn compile() -> io::Result<Filters> {
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
        for (number, alternatives) in table::allowed() {
            let entry = rules.entry(number).or_default();
            for alternative in alternatives {
                entry.push(rule(alternative)?);
            }
        }
        // `clone3` is passed on to its own filter, whose refusal would else be hidden by this one's.
        for number in SETUP.into_iter().chain([libc::SYS_clone3]) {
            rules.insert(number, Vec::new());
        }
        let refused = SeccompAction::Errno(libc::EPERM.cast_unsigned());
        let absent = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
        let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
        let setup = SETUP.iter().map(|number| (*number, Vec::new())).collect();
        Ok(Filters {
            no_clone3: compile(clone3, SeccompAction::Allow, absent)?,
            allowed: compile(rules, refused.clone(), SeccompAction::Allow)?,
            no_setup: compile(setup, SeccompAction::Allow, refused)?,
        })
    }

    /// Installs all but the last filter, for this process and all it will start. Cannot be undone; nor can
    /// the process gain privileges by executing a program any more.
    pub(crate) fn install_first(&self) -> io::Result<()> {
        seccompiler::apply_filter(&self.no_clone3).map_err(io::Error::other)?;
        seccompiler::apply_filter(&self.allowed).map_err(io::Error::other)
    }

    /// Forbids the last privileged calls.
    pub(crate) fn install_last(&self) -> io::Result<()> {
        seccompiler::apply_filter(&self.no_setup).map_err(io::Error::other)
    }
}

/// The filter of whoever unpacks images.
pub(crate) fn porter_filter() -> io::Result<BpfProgram> {
    let rules = porter::ALLOWED.iter().chain(porter::LEGACY).map(|number| (*number, Vec::new())).collect();
    let refused = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    compile(rules, refused, SeccompAction::Allow)
}

fn compile(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> io::Result<BpfProgram> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(io::Error::other)?;
    let filter = SeccompFilter::new(rules, otherwise, matched, arch).map_err(io::Error::other)?;
    BpfProgram::try_from(filter).map_err(io::Error::other)
}

fn rule(conditions: &[Arg]) -> io::Result<SeccompRule> {
    let conditions = conditions
        .iter()
        .map(|condition| match *condition {
            Arg::Is { index, value } => {
                SeccompCondition::new(index, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
            }
            Arg::Not { index, value } => {
                SeccompCondition::new(index, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value)
            }
            Arg::Without { index, mask } => {
                SeccompCondition::new(index, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(mask), 0)
            }
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(io::Error::other)?;
    SeccompRule::new(conditions).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_compiles_and_names_each_call_once() {
        Filters::compile().unwrap();
        porter_filter().unwrap();
        let mut numbers: Vec<i64> = table::allowed().map(|(number, _)| number).collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
    }

    #[test]
    fn calls_that_reach_beyond_the_sandbox_are_absent() {
        assert!(SETUP.iter().all(|setup| table::allowed().all(|(number, _)| number != *setup)));
        for forbidden in [
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_pivot_root,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_ptrace,
            libc::SYS_bpf,
            libc::SYS_perf_event_open,
            libc::SYS_keyctl,
            libc::SYS_add_key,
            libc::SYS_userfaultfd,
            libc::SYS_io_uring_setup,
            libc::SYS_kexec_load,
            libc::SYS_init_module,
            libc::SYS_finit_module,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_open_by_handle_at,
            libc::SYS_clone3,
            libc::SYS_fsopen,
            libc::SYS_move_mount,
            libc::SYS_reboot,
            libc::SYS_acct,
            libc::SYS_quotactl,
            libc::SYS_swapon,
            libc::SYS_syslog,
        ] {
            assert!(table::allowed().all(|(number, _)| number != forbidden), "{forbidden}");
        }
    }
}
