//! Clones of one and the same image, which differ in their seed alone, in QEMU without KVM.
//!
//! Each boots twice, and a probe inside (`probe.sh`) tells what it has become. A guest takes a minute or two: of the six
//! seeds `scripts/test` draws one, and one power cut; `scripts/soak` and a run by hand take all seeds, and as many cuts
//! as `BOOTWRIGHT_GUESTS_CUTS` says. `BOOTWRIGHT_GUESTS_SEED` decides where they fall. Five cuts of a machine that has
//! nothing but firstboot (`alone`) are part of every run.

mod alone;
mod draw;
mod expected;
mod guest;
mod matrix;
mod power_cut;
