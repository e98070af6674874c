//! Which kernels this machine can run, and that they work.

use std::io::Write;

use sealpost_verify8::{Kernel, Key};

use crate::support::kernels;

/// Writes past the capture of cargo, so that a machine that tests half of the crate says so.
#[test]
fn kernels_that_are_not_tested_here_are_named() {
    let missing: Vec<_> = [("wide", Kernel::wide()), ("narrow", Kernel::narrow())]
        .into_iter()
        .filter_map(|(name, kernel)| kernel.is_none().then_some(name))
        .collect();
    let mut stderr = std::io::stderr().lock();
    if missing.is_empty() {
        writeln!(stderr, "AVX-512 IFMA present: every kernel of sealpost-verify8 is tested")
            .unwrap();
    } else {
        let missing = missing.join(" and ");
        writeln!(
            stderr,
            "AVX-512 IFMA ABSENT: NOT TESTED HERE: the kernels {missing} of sealpost-verify8"
        )
        .unwrap();
    }
}

#[test]
fn every_kernel_passes_its_self_test() {
    for (name, kernel) in kernels() {
        assert!(kernel.passes_self_test(), "{name}");
    }
}

#[test]
fn kernel_is_detected_where_both_widths_are_present() {
    let present = Kernel::wide().is_some() && Kernel::narrow().is_some();
    assert_eq!(Kernel::detect().is_some(), present);
    assert_eq!(Kernel::detect().map(Kernel::lanes), Kernel::wide().map(Kernel::lanes));
}

#[test]
fn key_is_an_odd_number_of_2048_bits() {
    let mut modulus = [0xff; 256];
    assert!(Key::from_modulus(&modulus).is_some());
    modulus[255] = 0xfe;
    assert!(Key::from_modulus(&modulus).is_none(), "even");
    modulus = [0xff; 256];
    modulus[0] = 0x7f;
    assert!(Key::from_modulus(&modulus).is_none(), "2047 bits");
}
