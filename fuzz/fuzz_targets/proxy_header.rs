//! [`sealpost_tests::fuzz::proxy_header`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sealpost_tests::fuzz::proxy_header(data));
