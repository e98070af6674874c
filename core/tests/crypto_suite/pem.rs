//! Keys as text.

use sealpost_core::keys::{
    KeyRejected, PemError, Plaintext, PublicKey, private_key_from_pem,
    private_key_to_encrypted_pem, private_key_to_pem,
};

use crate::support::{key, pkcs8, providers, rng, vectors};

const PASSPHRASE: &[u8] = b"correct horse battery staple";

#[test]
fn a_private_key_in_the_clear_round_trips() {
    let der = pkcs8("alice");
    let pem = private_key_to_pem(&der).unwrap();
    let text = std::str::from_utf8(pem.expose()).unwrap();
    let vector = vectors()["keys"]["alice"]["private_pkcs8_pem"].as_str().unwrap();
    assert_eq!(text.trim_end(), vector.trim_end());
    assert_eq!(private_key_from_pem(text, None).unwrap(), der);
    assert_eq!(private_key_from_pem(text, Some(PASSPHRASE)).unwrap(), der);
}

#[test]
fn an_encrypted_private_key_opens_with_its_passphrase_only() {
    let der = pkcs8("alice");
    let mut rng = rng();
    let pem = private_key_to_encrypted_pem(&der, PASSPHRASE, &mut rng).unwrap();
    assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    assert_eq!(private_key_from_pem(&pem, Some(PASSPHRASE)).unwrap(), der);
    assert_eq!(private_key_from_pem(&pem, Some(b"")), Err(PemError::WrongPassphrase));
    assert_eq!(private_key_from_pem(&pem, None), Err(PemError::PassphraseNeeded));
    let again = private_key_to_encrypted_pem(&der, PASSPHRASE, &mut rng).unwrap();
    assert_ne!(pem, again, "salt and IV are random");
}

/// Made by `openssl pkcs8 -topk8 -scrypt`, which uses N = 2^14.
#[test]
fn a_key_that_openssl_encrypted_is_read() {
    let pem = include_str!("../../testdata/alice-scrypt.pem");
    assert_eq!(private_key_from_pem(pem, Some(PASSPHRASE)).unwrap(), pkcs8("alice"));
}

/// Made by `openssl pkcs8 -topk8 -v2 aes-256-cbc`, which derives with PBKDF2.
#[test]
fn another_encryption_scheme_is_unsupported() {
    let pem = include_str!("../../testdata/alice-pbkdf2.pem");
    assert_eq!(private_key_from_pem(pem, Some(PASSPHRASE)), Err(PemError::Unsupported));
}

/// The cost parameter is the integer after the salt: 2^14, written `02 02 40 00`.
#[test]
fn a_ruinous_scrypt_cost_is_refused_before_scrypt_runs() {
    let pem = include_str!("../../testdata/alice-scrypt.pem");
    let (label, der) = pkcs8::der::pem::decode_vec(pem.as_bytes()).unwrap();
    let at = der.windows(4).position(|window| window == [2, 2, 0x40, 0]).unwrap();
    for cost in [[0, 0], [0, 1], [0x40, 1], [0xc0, 0]] {
        let mut der = der.clone();
        der[at + 2..at + 4].copy_from_slice(&cost);
        let pem = pkcs8::der::pem::encode_string(label, pkcs8::LineEnding::LF, &der).unwrap();
        let refused = private_key_from_pem(&pem, Some(PASSPHRASE)).unwrap_err();
        assert!(matches!(refused, PemError::Unsupported | PemError::Malformed), "{cost:?}");
    }
}

#[test]
fn text_and_blank_lines_around_a_key_are_ignored() {
    let private = vectors()["keys"]["alice"]["private_pkcs8_pem"].as_str().unwrap();
    let public = key(&providers()[0], "alice").public_key().clone();
    let around = |pem: &str| {
        let pem = pem.trim_end();
        let spaced = pem.replace('\n', " \t\n\n");
        [
            format!("\n\n{pem}"),
            format!("{pem}\n\n \n"),
            format!("{pem}\nMade by Alice.\n"),
            format!("Key of Alice:\n\n{pem}\n\nMade by Alice.\n"),
            format!("\r\n{}\r\n\r\n", pem.replace('\n', "\r\n")),
            format!("{spaced}\n"),
            format!(
                "-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n{pem}"
            ),
        ]
    };
    for text in around(private) {
        assert_eq!(private_key_from_pem(&text, None), Ok(pkcs8("alice")), "{text}");
    }
    for text in around(&public.to_pem()) {
        assert_eq!(PublicKey::from_pem(&text).as_ref(), Ok(&public), "{text}");
    }
}

#[test]
fn pkcs1_is_refused_with_the_way_to_convert_it() {
    let block = |label| format!("-----BEGIN {label}-----\nMAMCAQE=\n-----END {label}-----\n");
    let refused = private_key_from_pem(&block("RSA PRIVATE KEY"), None).unwrap_err();
    assert_eq!(refused, PemError::Pkcs1PrivateKey);
    assert!(refused.to_string().contains("openssl pkcs8 -topk8 -nocrypt"), "{refused}");
    let refused = PublicKey::from_pem(&block("RSA PUBLIC KEY")).unwrap_err();
    assert_eq!(refused, PemError::Pkcs1PublicKey);
    assert!(refused.to_string().contains("openssl rsa -RSAPublicKey_in"), "{refused}");
    // The other kind of key is not what is wanted in whatever form.
    assert_eq!(PublicKey::from_pem(&block("RSA PRIVATE KEY")), Err(PemError::Malformed));
}

#[test]
fn text_that_is_not_a_private_key_is_malformed() {
    let public = key(&providers()[0], "alice").public_key().to_pem();
    let cut = vectors()["keys"]["alice"]["private_pkcs8_pem"].as_str().unwrap();
    let cut = &cut[..cut.len() / 2];
    let not_pkcs8 = "-----BEGIN PRIVATE KEY-----\nMAMCAQE=\n-----END PRIVATE KEY-----\n";
    for pem in ["", "hello", public.as_str(), cut, not_pkcs8] {
        assert_eq!(private_key_from_pem(pem, None), Err(PemError::Malformed), "{pem}");
    }
    let garbage = Plaintext::new(vec![1, 2, 3]);
    assert_eq!(private_key_to_pem(&garbage), Err(PemError::Malformed));
}

#[test]
fn a_public_key_round_trips() {
    let alice = key(&providers()[0], "alice").public_key().clone();
    let pem = alice.to_pem();
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n"));
    assert_eq!(PublicKey::from_pem(&pem), Ok(alice.clone()));

    let mut even = alice.der().to_vec();
    even[288] &= !1;
    let even = pkcs8::der::pem::encode_string("PUBLIC KEY", pkcs8::LineEnding::LF, &even).unwrap();
    assert_eq!(PublicKey::from_pem(&even), Err(PemError::Rejected(KeyRejected)));

    let private = vectors()["keys"]["alice"]["private_pkcs8_pem"].as_str().unwrap();
    assert_eq!(PublicKey::from_pem(private), Err(PemError::Malformed));
}
