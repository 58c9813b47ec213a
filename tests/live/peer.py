# A TLS server or client that ends its sessions in a chosen way: peer.py server MODE CERTIFICATE PORT | peer.py client MODE ADDRESS PORT TIMES
# Or what sends the Ethernet frames of a capture, with these VLAN tags: peer.py send CAPTURE INTERFACE [TAG...]
# Or what sends SYNs from everywhere: peer.py flood ADDRESS PORT TIMES
import os
import socket
import ssl
import struct
import sys
import time


def abort(tls):
    tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(tls.detach())


def serve(mode, certificate, port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    listener = socket.create_server(("", port), family=family, dualstack_ipv6=both, backlog=200)
    print("ready", flush=True)
    while True:
        try:
            tls = context.wrap_socket(listener.accept()[0], server_side=True)
            if mode == "hang":
                time.sleep(600)
            tls.recv(1000)
            if mode == "reset":
                abort(tls)
                continue
            if mode.startswith("bulk"):
                tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n" + b"x" * 8000000)
                time.sleep(2)
                mode = "reset" if mode == "bulk-reset" else "polite"
                if mode == "reset":
                    abort(tls)
                else:
                    tls.unwrap().close()
                continue
            if mode == "cut":
                tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + b"x" * 100)
                os.close(tls.detach())
                continue
            tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            tls.unwrap().close()
        except OSError as error:
            print(error, file=sys.stderr)


def ask(mode, address, port, times):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for _ in range(times):
        try:
            tls = context.wrap_socket(socket.create_connection((address, port), 5), server_hostname="api.example.com")
            if mode == "abort":
                tls.sendall(b"GET / HTTP/1.1\r\n\r\n")
                time.sleep(0.1)
                abort(tls)
                continue
            if mode == "stay":
                print("established", flush=True)
                sys.stdin.readline()
            tls.sendall(b"GET / HTTP/1.1\r\n\r\n")
            while tls.recv(4096):
                pass
            tls.unwrap().close()
        except OSError as error:
            print(error, file=sys.stderr)


def send(capture, interface, tags):
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    out.bind((interface, 0))
    tags = b"".join(struct.pack(">HH", 0x88A8 if later else 0x8100, int(tag)) for later, tag in zip([1] * (len(tags) - 1) + [0], tags))
    with open(capture, "rb") as file:
        file.read(24)
        while header := file.read(16):
            frame = file.read(struct.unpack("<4I", header)[2])
            out.send(frame[:12] + tags + frame[12:])


def flood(address, port, times):
    out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    for attempt in range(times):
        ip = struct.pack(">BBHHHBBHII", 0x45, 0, 40, 0, 0, 64, 6, 0, 0x0B000000 + attempt, struct.unpack(">I", socket.inet_aton(address))[0])
        # The checksum may be wrong: the SYN need not be answered.
        out.sendto(ip + struct.pack(">HHIIBBHHH", 1024 + attempt % 60000, port, attempt, 0, 0x50, 2, 1024, 0, 0), (address, port))


if sys.argv[1] == "flood":
    flood(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
elif sys.argv[1] == "send":
    send(sys.argv[2], sys.argv[3], sys.argv[4:])
elif sys.argv[1] == "server":
    serve(sys.argv[2], sys.argv[3], int(sys.argv[4]))
else:
    ask(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
