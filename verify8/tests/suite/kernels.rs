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
fn kernels_exist_where_the_processor_has_their_instructions() {
    #[cfg(target_arch = "x86_64")]
    let (ifma, vl) = (is_x86_feature_detected!("avx512ifma"), is_x86_feature_detected!("avx512vl"));
    #[cfg(not(target_arch = "x86_64"))]
    let (ifma, vl) = (false, false);
    let lanes = |kernel: Option<Kernel>| kernel.map(Kernel::lanes);
    assert_eq!(lanes(Kernel::wide()), ifma.then_some(8));
    assert_eq!(lanes(Kernel::narrow()), (ifma && vl).then_some(4));
    assert_eq!(lanes(Kernel::detect()), (ifma && vl).then_some(8));
    assert_eq!(Kernel::model().lanes(), 8);
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
