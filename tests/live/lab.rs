//! Two hosts in network namespaces, joined by a pair of virtual interfaces, with real TLS peers on them, and the program on one.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The client's host, where the program runs unless a test says otherwise, and the server's.
pub const CLIENT: &str = "10.77.0.1";
pub const SERVER: &str = "10.77.0.2";

/// How long to wait for what should come soon, on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// Both hosts. They are gone when this is.
pub struct Lab {
    pub name: String,
    pub folder: tempfile::TempDir,
    peers: Mutex<Vec<Child>>,
}

fn run(command: &str) -> Result<(), String> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let output = Command::new(words[0]).args(&words[1..]).output().map_err(|error| format!("{}: {error}", words[0]))?;
    if output.status.success() { Ok(()) } else { Err(format!("{command}: {}", String::from_utf8_lossy(&output.stderr).trim())) }
}

impl Lab {
    /// Builds it; `None`, with the reason printed, where rights or programs are missing.
    pub fn build() -> Option<Lab> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("who{}x{}", std::process::id() % 100_000, NEXT.fetch_add(1, Ordering::Relaxed));
        let lab = Lab { name, folder: tempfile::tempdir().unwrap(), peers: Mutex::default() };
        match lab.wire() {
            Ok(()) => Some(lab),
            Err(reason) if std::env::var_os("WHOHUNGUP_LIVE_TESTS").is_some() => panic!("the live tests cannot run: {reason}"),
            Err(reason) => {
                eprintln!("skipped: live tests take root and the programs ip, openssl and python3 ({reason})");
                None
            }
        }
    }

    fn wire(&self) -> Result<(), String> {
        use std::os::unix::fs::PermissionsExt;
        let (a, b) = (self.host("a"), self.host("b"));
        run("python3 -c pass")?;
        for command in [
            format!("ip netns add {a}"),
            format!("ip netns add {b}"),
            format!("ip link add va netns {a} type veth peer name vb netns {b}"),
            format!("ip -n {a} addr add {CLIENT}/24 dev va"),
            format!("ip -n {b} addr add {SERVER}/24 dev vb"),
            format!("ip -n {a} link set va up"),
            format!("ip -n {b} link set vb up"),
            format!("ip -n {a} link set lo up"),
            format!("ip -n {b} link set lo up"),
            format!("ip -n {a} route add default via {SERVER}"),
            format!("ip -n {b} route add default via {CLIENT}"),
        ] {
            run(&command)?;
        }
        let pem = self.path("pem");
        let key = self.path("key");
        run(&format!(
            "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=api.example.com -keyout {} -out {}",
            key.display(),
            pem.display()
        ))?;
        let both = [std::fs::read(&key), std::fs::read(&pem)].map(|part| part.unwrap_or_default()).concat();
        std::fs::write(&pem, both).map_err(|error| error.to_string())?;
        // The program, when it has become nobody, writes here.
        std::fs::set_permissions(self.folder.path(), std::fs::Permissions::from_mode(0o777)).map_err(|error| error.to_string())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The namespace of host `a` or `b`.
    pub fn host(&self, which: &str) -> String {
        format!("{}{which}", self.name)
    }

    /// Runs an ip command on a host.
    #[track_caller]
    pub fn ip(&self, host: &str, command: &str) {
        run(&format!("ip -n {} {command}", self.host(host))).unwrap();
    }

    /// A command on a host.
    pub fn on(&self, host: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.host(host), program]);
        command
    }

    fn peer_command(&self, host: &str, arguments: &[&str]) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/peer.py");
        let mut command = self.on(host, "python3");
        command.arg(script).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }

    fn peer(&self, host: &str, arguments: &[&str]) -> Child {
        self.peer_command(host, arguments).spawn().unwrap()
    }

    /// Starts a server on host `b` that ends its sessions by `mode`.
    pub fn serve(&self, mode: &str) {
        let pem = self.path("pem");
        let mut server = self.peer("b", &["server", mode, pem.to_str().unwrap(), "443"]);
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready");
        self.peers.lock().unwrap().push(server);
    }

    /// Starts OpenSSL's own server on host `b`, with these arguments.
    pub fn serve_openssl(&self, arguments: &[&str]) {
        let pem = self.path("pem");
        let mut command = self.on("b", "openssl");
        command.args(["s_server", "-accept", "443", "-www", "-cert"]).arg(&pem).arg("-key").arg(&pem).args(arguments);
        let mut server = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let out = gather(server.stdout.take().unwrap());
        self.peers.lock().unwrap().push(server);
        wait_until("OpenSSL's server", || out.lock().unwrap().contains("ACCEPT"));
    }

    /// A client on host `a` asks so many times, and ends by `mode`.
    pub fn ask(&self, mode: &str, times: u32) {
        self.ask_with(mode, times, &[]);
    }

    /// The same, with more in its environment.
    pub fn ask_with(&self, mode: &str, times: u32, environment: &[(&str, &str)]) {
        let mut command = self.peer_command("a", &["client", mode, SERVER, "443", &times.to_string()]);
        assert!(command.envs(environment.iter().copied()).status().unwrap().success());
    }

    /// Host `b` sends the frames of one of the project's captures, with these VLAN tags.
    pub fn send(&self, capture: &str, tags: &[&str]) {
        let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(capture);
        let arguments = [&["send", capture.to_str().unwrap(), "vb"], tags].concat();
        assert!(self.peer("b", &arguments).wait().unwrap().success());
    }

    /// Host `a` sends the server so many SYNs, each from an address that is nobody's.
    pub fn flood(&self, times: u32) {
        assert!(self.peer("a", &["flood", SERVER, "443", &times.to_string()]).wait().unwrap().success());
    }

    /// A client on host `a` connects and stays, until [`Staying`] is told to ask.
    pub fn stay(&self) -> Staying {
        self.stay_at(SERVER)
    }

    /// The same, with the server at one of its other addresses.
    pub fn stay_at(&self, address: &str) -> Staying {
        let mut client = self.peer("a", &["client", "stay", address, "443", "1"]);
        let mut line = String::new();
        BufReader::new(client.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "established");
        Staying(client)
    }

    /// Starts the program on host `a`, and waits until it captures.
    #[track_caller]
    pub fn live(&self, arguments: &[&str]) -> Live {
        self.live_on("a", arguments)
    }

    /// The same on either host.
    #[track_caller]
    pub fn live_on(&self, host: &str, arguments: &[&str]) -> Live {
        let live = self.start(self.on(host, env!("CARGO_BIN_EXE_whohungup")), arguments);
        live.complains("capturing on ");
        live
    }

    pub fn start(&self, mut command: Command, arguments: &[&str]) -> Live {
        command.arg("live").args(arguments).env("TZ", "UTC").env_remove("SUDO_UID").env_remove("SUDO_GID");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = gather(child.stdout.take().unwrap());
        let err = gather(child.stderr.take().unwrap());
        Live { child, out, err }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for mut peer in self.peers.lock().unwrap().drain(..) {
            let _ = peer.kill();
            let _ = peer.wait();
        }
        for host in ["a", "b"] {
            let _ = run(&format!("ip netns del {}", self.host(host)));
        }
    }
}

/// A client with an established session.
pub struct Staying(Child);

impl Staying {
    /// It asks, and goes on as the server lets it, for all the world to wait for.
    pub fn go_on(&mut self) {
        use std::io::Write;
        self.0.stdin.take().unwrap().write_all(b"\n").unwrap();
    }
}

impl Drop for Staying {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program, running.
pub struct Live {
    pub child: Child,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
}

fn gather(mut from: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&text);
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            into.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    });
    text
}

/// Waits until `holds`.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < SOON, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Live {
    pub fn out(&self) -> String {
        self.out.lock().unwrap().clone()
    }

    pub fn err(&self) -> String {
        self.err.lock().unwrap().clone()
    }

    /// Waits until `text` is printed.
    #[track_caller]
    pub fn prints(&self, text: &str) {
        wait_until(&format!("'{text}' on standard output; {}", self.err()), || self.out().contains(text));
    }

    /// Waits until `text` stands on standard error.
    #[track_caller]
    pub fn complains(&self, text: &str) {
        let begun = Instant::now();
        while !self.err().contains(text) {
            assert!(begun.elapsed() < SOON, "'{text}' is not among: {}", self.err());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Its exit status; everything it wrote has been gathered then.
    #[track_caller]
    pub fn ends(&mut self) -> i32 {
        let mut code = None;
        wait_until("the end", || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        });
        std::thread::sleep(Duration::from_millis(100));
        code.unwrap().code().unwrap_or(-1)
    }

    #[track_caller]
    pub fn ends_by(&mut self, signal: Signal) -> i32 {
        self.signal(signal);
        self.ends()
    }

    /// A field of /proc/PID/status.
    pub fn status(&self, field: &str) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
