//! [`sealpost_tests::fuzz::groups`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sealpost_tests::fuzz::groups(data));
