"""Starts `sain serve` and runs the clients beside this file against it, each as a program of its own.

  python3 run.py SAIN   the program; the clients are those that tools/install-clients has installed

Ends with 77, which is a skipped test, where they are not there.
"""

import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
PYTHON = pathlib.Path.home() / ".local/share/sain/clients/bin/python3"

# So few examples that training takes no time.
CONFIG = """
context_length = 2048
[routing]
encoder = "all-minilm-l6-v2"
layer = 6
threshold = 0.5
[assistant]
name = "Ada"
model = "smollm2-135m-instruct"
max_tokens = 64
intents = { talk = ["Hello!", "How are you?", "Good morning", "Thank you", "Tell me a joke", "What is your name?"] }
[[specialist]]
name = "coding"
model = "qwen2.5-coder-0.5b-instruct"
max_tokens = 64
intents = { code = ["Write a Python function", "Fix this C++ loop", "Sort an array in Java", "What does this code do?"] }
"""


def listening(server):
    """The address of a server that has said so."""
    for line in server.stderr:
        if found := re.search(r"listening on (http://127\.0\.0\.1:\d+)", line):
            return found[1]
    sys.exit(f"the server ended with {server.wait()}")


def wait_until_healthy(address, server):
    while server.poll() is None:
        try:
            urllib.request.urlopen(address + "/health")
            return
        except urllib.error.HTTPError:  # 503: not yet
            time.sleep(0.1)
    sys.exit(f"the server ended with {server.returncode}")


def main():
    if not PYTHON.exists():
        print(f"skipped: there is no {PYTHON}; tools/install-clients brings it")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "sain.toml"
        config.write_text(CONFIG)
        server = subprocess.Popen(
            [sys.argv[1], "serve", "--config", str(config), "--port", "0"], stderr=subprocess.PIPE, text=True
        )
        try:
            address = listening(server)
            wait_until_healthy(address, server)
            failed = [
                script.name
                for script in sorted(HERE.glob("*_client.py"))
                if subprocess.run([PYTHON, script, address], check=False).returncode != 0
            ]
        finally:
            server.send_signal(signal.SIGTERM)
            _, rest = server.communicate()
    if failed or server.returncode != 0:
        sys.exit(f"failed: {failed}; the server ended with {server.returncode}:\n{rest}")


main()
