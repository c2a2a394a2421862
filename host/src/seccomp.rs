//! A system call filter that answers "done" to every request to write data to the disk now.
//!
//! Package tools sync after nearly every file. A tree under construction is worth nothing after a power cut, so
//! those waits buy nothing; without them configuring a Debian tree takes half the time or less.

use std::mem::offset_of;

use nix::errno::Errno;
use nix::libc::{self, seccomp_data, sock_filter, sock_fprog};

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

const AUDIT_ARCH_X86_64: u32 = 0xC000_003E;
const AUDIT_ARCH_I386: u32 = 0x4000_0003;
const AUDIT_ARCH_AARCH64: u32 = 0xC000_00B7;

/// x32 programs are `AUDIT_ARCH_X86_64` with this bit in the number; the numbers below it are the same.
const X32_BIT: u32 = 0x4000_0000;

/// sync, syncfs, fsync, fdatasync, msync, sync_file_range, by architecture.
const X86_64: [u32; 6] = [162, 306, 74, 75, 26, 277];
const I386: [u32; 6] = [36, 344, 118, 148, 144, 314];
const AARCH64: [u32; 6] = [81, 267, 82, 83, 227, 84];

const fn statement(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

const fn unless_equal(k: u32, skip: u8) -> sock_filter {
    sock_filter { code: JUMP_EQUAL, jt: 0, jf: skip, k }
}

/// A filter program, made before `fork` and installed after it.
#[derive(Debug, Clone)]
pub struct Filter(Vec<sock_filter>);

impl Filter {
    /// Answers 0 to the sync family on x86-64 (with i386 and x32) and aarch64, and passes everything else.
    pub fn suppress_sync() -> Self {
        let mut program = Vec::with_capacity(48);
        for (architecture, numbers) in
            [(AUDIT_ARCH_X86_64, X86_64), (AUDIT_ARCH_I386, I386), (AUDIT_ARCH_AARCH64, AARCH64)]
        {
            let block = block_for(&numbers);
            program.push(statement(LOAD, offset_of!(seccomp_data, arch) as u32));
            program.push(unless_equal(architecture, block.len() as u8));
            program.extend(block);
        }
        program.push(statement(RETURN, libc::SECCOMP_RET_ALLOW));
        Self(program)
    }

    /// Installs the filter in the calling thread, and so in every program that it starts.
    ///
    /// Needs `CAP_SYS_ADMIN` in the caller's user namespace: `no_new_privs` would be the way without it, but it
    /// takes the effect from set-user-id programs, which maintainer scripts use.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn install(&self) -> Result<(), Errno> {
        let program = sock_fprog { len: self.0.len() as u16, filter: self.0.as_ptr().cast_mut() };
        // Without this flag kernels before 5.16 slow filtered programs down by a speculation barrier.
        let flags = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
        // SAFETY: `program` points to as many instructions as it says; the kernel checks and copies them.
        Errno::result(unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
        })
        .map(drop)
    }
}

/// The instructions for one architecture; every way through them returns.
fn block_for(numbers: &[u32]) -> Vec<sock_filter> {
    let mut block = vec![statement(LOAD, offset_of!(seccomp_data, nr) as u32), statement(AND, !X32_BIT)];
    for &number in numbers {
        block.push(unless_equal(number, 1));
        block.push(statement(RETURN, libc::SECCOMP_RET_ERRNO)); // with error number 0: success
    }
    block.push(statement(RETURN, libc::SECCOMP_RET_ALLOW));
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the filter as the kernel would, on the few instructions that it has.
    fn verdict(program: &[sock_filter], architecture: u32, number: u32) -> u32 {
        let (mut accumulator, mut at) = (0, 0);
        loop {
            let instruction = program.get(at).expect("every way returns");
            at += 1;
            match instruction.code {
                LOAD if instruction.k as usize == offset_of!(seccomp_data, arch) => {
                    accumulator = architecture
                }
                LOAD => accumulator = number,
                AND => accumulator &= instruction.k,
                JUMP_EQUAL if accumulator == instruction.k => at += usize::from(instruction.jt),
                JUMP_EQUAL => at += usize::from(instruction.jf),
                RETURN => return instruction.k,
                other => panic!("unexpected instruction {other}"),
            }
        }
    }

    #[test]
    fn only_the_sync_family_is_answered_and_on_known_architectures() {
        let Filter(program) = Filter::suppress_sync();
        let x32 = X86_64.map(|number| number | X32_BIT);
        for (architecture, family) in [
            (AUDIT_ARCH_X86_64, X86_64),
            (AUDIT_ARCH_X86_64, x32),
            (AUDIT_ARCH_I386, I386),
            (AUDIT_ARCH_AARCH64, AARCH64),
        ] {
            for number in (0..600).chain(X32_BIT..X32_BIT + 600) {
                // Numbers with the bit exist on x86-64 alone; elsewhere the kernel refuses them after the filter.
                if number >= X32_BIT && family != x32 || number < X32_BIT && family == x32 {
                    continue;
                }
                let expected =
                    if family.contains(&number) { libc::SECCOMP_RET_ERRNO } else { libc::SECCOMP_RET_ALLOW };
                assert_eq!(verdict(&program, architecture, number), expected, "{architecture:x} {number}");
            }
        }
        assert_eq!(verdict(&program, 0x4000_0028, 118), libc::SECCOMP_RET_ALLOW, "32-bit arm");
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_numbers_are_those_of_the_c_library() {
        let numbers = [
            libc::SYS_sync,
            libc::SYS_syncfs,
            libc::SYS_fsync,
            libc::SYS_fdatasync,
            libc::SYS_msync,
            libc::SYS_sync_file_range,
        ];
        assert_eq!(X86_64.map(i64::from), numbers);
    }
}
