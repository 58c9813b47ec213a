#!/usr/bin/env python3
"""Holds truth.jsonl against tshark: fails where the packets, read with the keys, contradict what the lab says it did."""
import json
import os
import subprocess
import sys

CAPTURES = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FIELDS = [
    "frame.number", "tcp.stream", "ip.src", "ipv6.src", "tcp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport", "tcp.flags.str", "tcp.len",
    "tls.alert_message.level", "tls.alert_message.desc", "tls.handshake.type", "tls.record.content_type", "tls.record.opaque_type",
    "tcp.analysis.retransmission", "icmp.type", "tcp.payload",
]
# What tshark does not take for TLS by itself, or not always: the TLS port of Redis.
DECODE = ["-d", "tcp.port==6380,tls"]
WORDS = {
    "ending": {"close_notify", "fin", "rst", "fatal_alert", "stall", "no_connection", "open", "unseen"},
    "closed_by": {"client", "server", "proxy", "nobody"},
    "phase": {"connecting", "tunneling", "client_hello", "handshake", "established"},
    "fault": {"none", "client", "server", "proxy", "network", "undetermined"},
}


def events(path, keylog):
    """Per TCP stream: a list of (frame, side source address:port, what) and the streams' ends."""
    command = ["tshark", "-r", path, *DECODE, "-Y", "tcp and not icmp and not icmpv6", "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=;"]
    if keylog:
        command += ["-o", f"tls.keylog_file:{keylog}"]
    for field in FIELDS:
        command += ["-e", field]
    out = subprocess.run(command, capture_output=True, text=True).stdout
    found = {}
    for line in out.splitlines():
        f = dict(zip(FIELDS, line.split("\t")))
        source = f"[{f['ipv6.src']}]:{f['tcp.srcport']}" if f["ipv6.src"] else f"{f['ip.src'].split(';')[0]}:{f['tcp.srcport']}"
        target = f"[{f['ipv6.dst']}]:{f['tcp.dstport']}" if f["ipv6.dst"] else f"{f['ip.dst'].split(';')[0]}:{f['tcp.dstport']}"
        stream = found.setdefault(int(f["tcp.stream"].split(";")[0]), {"ends": {source, target}, "events": [], "again": 0, "prelude": False, "spoke": {}, "hello": set(), "ccs": set()})
        number = int(f["frame.number"])
        flags = f["tcp.flags.str"]
        for kind in f["tls.handshake.type"].split(";"):
            if kind:
                stream["hello"].add((source, int(kind)))
        if f["tcp.payload"].startswith("1603") and f["tcp.payload"][10:12] == "01":
            stream["hello"].add((source, 1))  # on a port where tshark expects something else
        # CONNECT, SSLRequest of PostgreSQL, 220, "* OK", a greeting of MySQL's
        if f["tcp.payload"].startswith(("434f4e4e454354", "0000000804d2162f", "323230", "2a204f4b")) or f["tcp.payload"][6:10] == "000a":
            stream["prelude"] = True
        if "20" in f["tls.record.content_type"].split(";"):
            stream["ccs"].add(source)
        descs = [d for d in f["tls.alert_message.desc"].split(";") if d]
        levels = [d for d in f["tls.alert_message.level"].split(";") if d]
        for level, desc in zip(levels, descs):
            what = "close_notify" if desc == "0" else "fatal" if level == "2" else "warning"
            stream["events"].append((number, source, what, int(desc)))
        if "R" not in flags:
            stream["spoke"][source] = number
        if "S" in flags:
            stream["events"].append((number, source, "synack" if "A" in flags else "syn", None))
        if f["tcp.analysis.retransmission"]:
            stream["again"] += 1
        if "F" in flags:
            stream["events"].append((number, source, "fin", None))
        if "R" in flags:
            stream["events"].append((number, source, "rst", None))
    return found


def judge(line, stream):
    """What is wrong with a truth line, as a list of sentences."""
    wrong = []
    sides = {line["client"]: "client", line["server"]: "server"}
    if set(sides) != stream["ends"]:
        return [f"stream has the ends {stream['ends']}"]
    damaged = line.get("unreadable")
    happened = [(n, sides[s], what, desc) for n, s, what, desc in stream["events"]]
    said = {side: [n for n, s, what, _ in happened if s == side and what == "close_notify"] for side in ("client", "server")}
    for side, value in line["close_notify"].items():
        seen = bool(said[side])
        if value is True and not seen and line["keylog"] and not damaged:
            wrong.append(f"no close_notify of the {side}")
        if value is False and seen:
            wrong.append(f"close_notify of the {side} in frame {said[side][0]}")
        if value is None and (seen or (line["keylog"] and not damaged)):
            wrong.append(f"close_notify of the {side} is null but tshark can tell: {seen}")
    closing = [e for e in happened if e[2] in ("fin", "rst", "fatal")]
    # A RST after which its receiver goes on talking was not heeded: not an end.
    closing = [e for e in closing if e[2] != "rst" or stream["spoke"].get(line["client" if e[1] == "server" else "server"], 0) < e[0]]
    endings = [line["ending"], *line["ending_also"]]
    by = [line["closed_by"], *line["closed_by_also"]]
    first = closing[0] if closing else None
    if first:
        n, side, what, _ = first
        announced = [c for c in said[side] if c <= n]
        other = "server" if side == "client" else "client"
        if what == "fatal":
            real = {"fatal_alert"}
        elif what == "rst":
            real = {"close_notify"} if announced else {"rst"}
        else:
            real = {"close_notify"} if announced else {"fin"}
        if said[other] and said[other][0] < n:
            real.add("close_notify")
        if not any(e[2] == "synack" for e in happened) and any(e[2] == "syn" for e in happened):
            real = {"no_connection"}
        if not line["keylog"] and "fin" in real | {"rst"}:
            real.add("close_notify")
        if not line["keylog"]:
            real.add("fatal_alert")
        if not damaged and not real & set(endings) and not {"stall", "unseen"} & set(endings):
            wrong.append(f"first close is {what} of the {side} in frame {n} ({'/'.join(sorted(real))}), truth says {endings}")
        starters = {side} | ({other} if said[other] and said[other][0] < n else set())
        readable = line["keylog"] or any(e[2] in ("close_notify", "fatal", "warning") for e in happened)
        if not readable and line["ending"] in ("close_notify", "fatal_alert"):
            starters.add(other)  # its alert came first, and is encrypted
        if not damaged and "proxy" not in by and not starters & set(by):
            wrong.append(f"first close by the {side} in frame {n}, truth says {by}")
        if line["ending"] == "open":
            wrong.append(f"open, but {what} in frame {n}")
    else:
        if not {"stall", "open", "no_connection", "unseen"} & set(endings):
            wrong.append(f"no FIN, RST or fatal alert at all, truth says {endings}")
        if line["ending"] == "stall" and stream["again"] < 3:
            wrong.append("a stall with less than three retransmissions")
    kinds = {(sides[s], k) for s, k in stream["hello"]}
    reached = "tunneling" if stream["prelude"] else "connecting"
    if ("client", 1) in kinds:
        reached = "client_hello"
    if ("server", 2) in kinds:
        reached = "handshake"
    ready = {reached}
    if reached == "handshake":
        old = ("server", 14) in kinds  # a ServerHelloDone: TLS 1.2 or older, where the server finishes last
        last = "server" if old else "client"
        if (last, 20) in kinds:
            ready = {"established"}
        elif line[last] in stream["ccs"]:
            ready = {"handshake", "established"}  # the Finished is encrypted
    if not line.get("unreadable") and not ready & {line["phase"], *line["phase_also"]}:
        wrong.append(f"tshark sees the phase {'/'.join(ready)}, truth says {line['phase']}")
    for key, words in WORDS.items():
        values = line[key] if isinstance(line[key], list) else [line[key]]
        if set(values) - words:
            wrong.append(f"{key}: {set(values) - words} is no word of the truth")
    if set(line["fault"]) & set(line["never_blame"]):
        wrong.append("a side is both in fault and in never_blame")
    near = line["near_miss_of"]
    if near and near in line["cause"]:
        wrong.append("a near miss of its own cause")
    if line["cause_tested"] and line["cause_tested"] not in line["cause"]:
        wrong.append(f"cause_tested {line['cause_tested']} is not in cause")
    return wrong


def main():
    lines = [json.loads(l) for l in open(os.path.join(CAPTURES, "truth.jsonl"))]
    bad = 0
    cache = {}
    for line in lines:
        name = line["file"]
        if name not in cache:
            keylog = next((other["keylog"] for other in lines if other["file"] == name and other["keylog"]), None)
            cache[name] = events(os.path.join(CAPTURES, name), keylog and os.path.join(CAPTURES, keylog))
        for sentence in judge(line, cache[name][line["stream"]]):
            bad += 1
            print(f"{name} #{line['stream']}: {sentence}")
    there = {f for f in os.listdir(CAPTURES) if f.endswith((".pcap", ".pcapng"))}
    for name in sorted(there - set(cache)):
        bad += 1
        print(f"{name}: no truth")
    print(f"{len(lines)} sessions of {len(cache)} captures checked, {bad} contradictions")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
