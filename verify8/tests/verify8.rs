//! skeleton test
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use aws_lc_rs::rand::SystemRandom;
use sealpost_verify8::*;

#[test]
fn t() {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let n = pair.public_key().modulus().big_endian_without_leading_zero().to_vec();
    let key = Key::from_modulus(n.as_slice().try_into().unwrap()).unwrap();
    let msg = b"hello";
    let mut sig = [0; 256];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), msg, &mut sig).unwrap();
    let digest: [u8; 32] = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, msg).as_ref().try_into().unwrap();
    let mut bad = sig; bad[200] ^= 1;
    let good = Claim { key: &key, digest: &digest, signature: &sig };
    let wrong = Claim { signature: &bad, ..good };
    for k in [Some(Kernel::model()), Kernel::wide(), Kernel::narrow()].into_iter().flatten() {
        let v = k.verify(&[good, wrong, good, wrong, wrong, good, good, wrong]);
        println!("{k:?} {v:?}");
        let claims = [good; 8];
        for (name, c) in [("8", &claims[..]), ("4", &claims[..4]), ("1", &claims[..1])] {
            let t = std::time::Instant::now();
            let reps = 200;
            for _ in 0..reps { std::hint::black_box(k.verify(std::hint::black_box(c))); }
            println!("{k:?} {name}: {:.2} us each", t.elapsed().as_secs_f64() * 1e6 / (reps * c.len()) as f64);
        }
    }
    let t = std::time::Instant::now();
    for _ in 0..1000 { std::hint::black_box(Key::from_modulus(std::hint::black_box(n.as_slice().try_into().unwrap()))); }
    println!("key {:.2} us", t.elapsed().as_secs_f64() * 1e3);
    let pk = aws_lc_rs::signature::ParsedPublicKey::new(&aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref()).unwrap();
    let t = std::time::Instant::now();
    for _ in 0..1000 { pk.verify_sig(msg, &sig).unwrap(); }
    println!("aws {:.2} us", t.elapsed().as_secs_f64() * 1e3);
}
