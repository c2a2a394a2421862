//! Real documents with random damage: whatever a parser makes of them, it ends, and does not panic.

use contract::{context, metadata, native, user_data};

const DOCUMENTS: [&str; 6] = [
    "#cloud-config\nhostname: web\nusers:\n  - {name: ops, groups: [a, b], sudo: 'ALL=(ALL) ALL', passwd: $6$s$h}\n\
     write_files:\n  - path: /etc/a\n    encoding: gz+b64\n    content: |\n      H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA==\n\
     x: &a [1, *a]\nruncmd: [[a, b], \"c\"]\n",
    "Content-Type: multipart/mixed; boundary=\"==\"\nMIME-Version: 1.0\n\n--==\nContent-Type: text/cloud-config\n\n\
     hostname: a\n--==\nContent-Transfer-Encoding: base64\n\nIyEvYmluL3NoCg==\n--==--\n",
    "# Context\nETH0_IP='10.0.0.1'\nSSH_PUBLIC_KEY='ssh-rsa AAAAB a\nb'\nX='it'\\''s'\nUSER_DATA='I2Nsb3Vk'\nUSER_DATA_ENCODING='base64'\n",
    "{\"uuid\": \"u\", \"hostname\": \"h\", \"public_keys\": {\"k\": \"ssh-rsa AAAAB\"}, \"files\": [{\"path\": \"/a\", \"content_path\": \"/b\"}]}",
    "version: 1\nhostname: n-{{instance_id}}\nfiles: [{path: /a, content: x, mode: \"0644\"}]\nnetwork: {a: [1, {b: c}]}\n",
    "instance-id: i\nlocal-hostname: h\npublic-keys: {a: [ssh-rsa AAAAB x]}\n",
];

/// Characters that mean something to one of the formats.
const TRICKY: [&str; 16] =
    ["'", "\"", "\\", "\n", "\0", ":", "&a ", "*a", "- ", "{", "[", "#", "\u{fffd}", "--==", "\t", "é"];

#[test]
fn damaged_documents_never_panic() {
    let mut state = 88_172_645_463_325_252_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    for round in 0..6000 {
        let mut characters: Vec<char> = DOCUMENTS[round % DOCUMENTS.len()].chars().collect();
        for _ in 0..=random(4) {
            let at = random(characters.len());
            match random(4) {
                0 => drop(characters.remove(at)),
                1 => characters.truncate(at.max(1)),
                2 => {
                    let copy = characters[at..(at + random(20)).min(characters.len())].to_vec();
                    characters.splice(at..at, copy);
                }
                _ => {
                    drop(characters.splice(at..at, TRICKY[random(TRICKY.len())].chars()).collect::<Vec<_>>())
                }
            }
        }
        let text: String = characters.into_iter().collect();
        drop(user_data::read(text.as_bytes()));
        drop(native::parse(&text));
        drop(metadata::no_cloud::parse_meta_data(&text));
        drop(metadata::no_cloud::parse_line(&text));
        drop(metadata::open_stack::parse_meta_data(&text));
        if let Ok(read) = context::parse(&text) {
            drop(user_data::read(&read.user_data.unwrap_or_default()));
        }
    }
}
