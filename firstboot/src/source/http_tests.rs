use std::net::TcpListener;

use super::*;

/// A server that gives the same bytes to everyone.
fn serve(answer: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its number");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
                line.clear();
            }
            // A client that has heard enough hangs up.
            drop(stream.write_all(&answer));
        }
    });
    address
}

fn get(answer: impl Into<Vec<u8>>) -> Result<Option<Vec<u8>>, HttpError> {
    request(Method::Get, &serve(answer.into()).into(), "http://169.254.169.254/x", &[], b"")
}

#[test]
fn answers_are_read_in_their_three_forms() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\nhello",
    ] {
        assert_eq!(get(answer).expect(answer).as_deref(), Some(&b"hello"[..]));
    }
    assert_eq!(get("HTTP/1.1 404 Not Found\r\n\r\nnothing").expect("an answer"), None);
    assert!(matches!(get("HTTP/1.1 401 No\r\n\r\n"), Err(HttpError::Status(_, 401))));
}

#[test]
fn hostile_answers_end() {
    let endless = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; DOCUMENT_LIMIT + 1]].concat();
    let headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(HEADER_LIMIT + 2));
    for answer in [
        &b"SSH-2.0-OpenSSH\r\n"[..],
        b"",
        b"\0\xff\xfe",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
        headers.as_bytes(),
        &endless,
    ] {
        get(answer).expect_err("no answer");
    }
    assert!(
        !HttpError::Status(String::new(), 401).is_passing()
            && HttpError::Status(String::new(), 503).is_passing()
    );
}

#[test]
fn addresses_are_numbers_or_names_of_the_hosts_file() {
    let folder = std::env::temp_dir().join(format!("firstboot-resolve-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("etc")).expect("a folder");
    std::fs::write(folder.join("etc/hosts"), "10.0.0.9 seed.example # x\n").expect("a file");
    let machine = Machine::open(&folder).expect("a machine");
    for (url, wanted) in [
        ("http://10.0.2.2:8000/a/", "10.0.2.2:8000"),
        ("http://10.0.2.2/", "10.0.2.2:80"),
        ("http://[fd00:ec2::254]/", "[fd00:ec2::254]:80"),
        ("http://seed.example:81/", "10.0.0.9:81"),
    ] {
        assert_eq!(resolve(&machine, url).expect(url).address.to_string(), wanted);
    }
    for bad in ["https://10.0.0.1/", "http://nowhere/", "http://seed.example:port/"] {
        resolve(&machine, bad).expect_err(bad);
    }
    std::fs::remove_dir_all(&folder).expect("cleaning up");
}
