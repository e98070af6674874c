//! [`sealpost_tests::fuzz::verify8`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sealpost_tests::fuzz::verify8(data));
