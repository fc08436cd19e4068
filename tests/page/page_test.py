#!/usr/bin/env python3
"""The server's page in a browser, on real weights.

R79: the page in a real browser: a routed conversation, a switch of specialists, cancel, reload and resume.

    tests/page/page_test.py build/sain [--screenshots FOLDER]

Exit code 77: there is no Chromium (tools/install-packages --test).
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.request

from browser import Browser, Page, find_chromium

CONFIG = """
context_length = 1024
[routing]
layer = 4
threshold = 0.5
[assistant]
name = "Ada"
model = "smollm2-135m-instruct"
max_tokens = 24
intents = { talk = ["Hello!", "How are you?", "Good morning", "Thank you", "Tell me a joke", "What is your name?"] }
[[specialist]]
name = "coding"
model = "qwen2.5-coder-0.5b-instruct"
max_tokens = 200
intents = { code = ["Write a Python function", "Fix this C++ loop", "Sort an array in Java", "What does this code do?"] }
[[specialist]]
name = "writing"
model = "gemma-3-270m"
max_tokens = 40
intents = { poem = ["Write a poem about the sea", "Continue this story", "Compose a haiku", "Rhyme about love"] }
"""

KEY = "a-key-of-a-test-0123456789"
arguments = None


class Server:
    def __init__(self, *options):
        self._folder = tempfile.TemporaryDirectory()
        config = os.path.join(self._folder.name, "sain.toml")
        with open(config, "w") as file:
            file.write(CONFIG)
        self._process = subprocess.Popen(
            [arguments.program, "serve", "--config", config, "--port", "0", "--conversations",
             os.path.join(self._folder.name, "conversations.db"), *options], stderr=subprocess.PIPE, text=True,
            env={**os.environ, "SAIN_TUNING": "off", "SAIN_DATA": "/nonexistent"})
        for line in self._process.stderr:
            if found := re.search(r"listening on (http://\S+)", line):
                self.url = found[1]
            if line == "sain: ready\n":
                break
        else:
            raise RuntimeError("the server has ended")

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate()
        self._folder.cleanup()
        return self._process.returncode


class PageTest(unittest.TestCase):
    def serve(self, *options):
        server = Server(*options)
        self.addCleanup(lambda: self.assertEqual(server.stop(), 0))
        browser = Browser(find_chromium())
        self.addCleanup(browser.close)
        return server, Page(browser, server.url)

    def ask(self, page, text):
        page.click("#question")
        page.type(text)
        page.press("Enter", "\r")

    def answers(self, page, n):
        """The members of the n answers that have come."""
        page.wait_for(f"document.querySelectorAll('.answer:not(.live)').length === {n} && !document.querySelector('.live')")
        return page.evaluate("[...document.querySelectorAll('.answer header .badge')].map(b => b.textContent)")

    def shoot(self, page, name):
        if arguments.screenshots:
            page.evaluate("Promise.all(document.getAnimations().filter(a => a instanceof CSSTransition).map(a => a.finished))")
            page.screenshot(os.path.join(arguments.screenshots, name + ".png"))

    def test_a_conversation(self):
        _, page = self.serve()
        page.wait_for("document.querySelectorAll('#members .badge').length === 3")
        page.wait_for("document.activeElement.id === 'question'")
        self.shoot(page, "welcome")
        # Everything that is shown on the way, as it passes quickly.
        page.evaluate("""window.shown = ""; new MutationObserver(() => shown += document.querySelector(".live")?.innerText ?? "")
            .observe(document.getElementById("messages"), {subtree: true, childList: true, characterData: true})""")

        # A routed conversation, and a switch of specialists.
        self.ask(page, "Hello, how are you?")
        self.assertEqual(self.answers(page, 1), ["assistant"])
        self.ask(page, "Write a Python function that adds two numbers.")
        page.wait_for("document.querySelector('.live .figures')?.textContent.includes('tokens/s')")
        self.shoot(page, "streaming")
        self.assertEqual(self.answers(page, 2), ["assistant", "coding"])
        self.ask(page, "Write a poem about the sea")
        self.assertEqual(self.answers(page, 3), ["assistant", "coding", "writing"])
        self.assertRegex(page.evaluate("shown"), r"Loading coding, \d+ %")
        self.assertRegex(page.evaluate("document.querySelector('.answer .why').innerText"), "clear match, [0-9]+ % sure")
        self.assertRegex(page.evaluate("document.querySelectorAll('.figures')[1].textContent"), r"[0-9.]+ tokens/s .*first after")
        self.assertRegex(page.evaluate("document.getElementById('fill-text').textContent"), r"^[1-9]\d* %$")
        page.wait_for("document.getElementById('title').textContent === 'Hello, how are you?'")
        page.click(".answer [aria-label='Good answer']")
        page.wait_for("document.querySelector('.answer [aria-label=\"Good answer\"]').ariaPressed === 'true'")
        self.shoot(page, "light")

        # Cancel; what was said stays.
        self.ask(page, "@coding Write a C++ program that sorts a list of names.")
        page.wait_for("document.querySelector('.live .prose')?.textContent.length > 20")
        page.press("Escape")
        self.assertEqual(self.answers(page, 4)[3], "coding")
        self.assertEqual(page.evaluate("document.querySelector('.answer:last-child .state').textContent"), "stopped")
        stopped = page.evaluate("document.querySelector('.answer:last-child .prose').textContent")
        self.assertGreater(len(stopped), 20)

        # Reload, and resume.
        page.reload()
        self.assertEqual(self.answers(page, 4), ["assistant", "coding", "writing", "coding"])
        self.assertEqual(page.evaluate("document.querySelector('.answer:last-child .prose').textContent"), stopped)
        self.assertEqual(page.evaluate("document.querySelector('.answer [aria-label=\"Good answer\"]').ariaPressed"), "true")
        page.click(".answer:last-child [aria-label='Answer again']")
        page.wait_for("document.querySelector('.live .prose')?.textContent.length > 0")
        page.click("#stop")
        self.answers(page, 4)
        self.ask(page, "Thank you")
        self.assertEqual(self.answers(page, 5)[4], "assistant")

        # What the list offers.
        page.click("#rename")
        page.wait_for("document.getElementById('ask-name').open")
        page.evaluate("document.getElementById('name').select()")
        page.type("Sums and the sea")
        page.press("Enter", "\r")
        page.wait_for("document.querySelector('.list a').textContent === 'Sums and the sea'")
        exported = page.evaluate("""import("/page/server.js").then(({get}) =>
            get("/v1/conversations/" + location.hash.slice(2) + "/export?format=json"))""")
        self.assertEqual([m["role"] for m in exported["messages"]], ["user", "assistant"] * 5)
        self.assertEqual(exported["messages"][1]["feedback"], "up")
        page.click("#open-dashboard")
        page.wait_for("document.querySelectorAll('.models li').length === 3")
        self.assertEqual(page.nameless_controls(), [])
        self.shoot(page, "dashboard")
        page.prefer("dark")
        self.shoot(page, "dark")
        page.click("#close-dashboard")
        page.evaluate("document.getElementById('scroller').scrollTo(0, 0)")
        self.shoot(page, "dark-top")

        # On a phone.
        page.resize(390, 844, is_phone=True)
        page.wait_for("document.documentElement.scrollWidth === 390 && document.getElementById('sidebar').inert")
        self.shoot(page, "phone-dark")
        page.prefer("light")
        self.shoot(page, "phone")
        page.click("#open-sidebar")
        page.wait_for("!document.getElementById('sidebar').inert")
        page.wait_for("document.activeElement.id === 'search'")
        self.shoot(page, "phone-list")
        page.press("Escape")
        page.resize(1280, 800)

        page.click("#delete")
        page.wait_for("document.getElementById('ask-delete').open")
        self.shoot(page, "delete")
        page.click("#ask-delete .danger")
        page.wait_for("document.querySelector('.list .empty')")
        page.wait_for("location.hash === ''")
        self.assertEqual(page.faults(), [])

    def test_answers_are_never_markup(self):
        _, page = self.serve()
        page.wait_for("document.querySelectorAll('#members .badge').length === 3")
        hostile = """# A <b>title</b>

<img src=x onerror="window.broken = 1"> <script>window.broken = 2</script> [x](javascript:window.broken=3) \\*no\\*
[ok](https://example.org/a_b_c) and `<i>` **bold *both* `a_b_`**

1. one
   - inner
2. two

| a | b |
|---|---|
| 1 | **2** |

> quoted

```html
<script>window.broken = 4</script>
```
![picture](https://example.org/x.png) **open ```"""
        made = page.evaluate(f"""import("/page/markdown.js").then(({{render_markdown}}) => {{
            const target = document.createElement("div");
            document.body.append(target);
            render_markdown(target, {json.dumps(hostile)});
            const html = target.innerHTML;
            target.remove();
            return html;
        }})""")
        for forbidden in ("<img", "<script", "<b>", "<i>", 'href="javascript'):
            self.assertNotIn(forbidden, made)
        for expected in ("<h3>A &lt;b&gt;title&lt;/b&gt;</h3>", "*no*", 'href="https://example.org/a_b_c"', "<code>&lt;i&gt;</code>",
                         "<strong>bold <em>both</em> <code>a_b_</code></strong>", "<ol><li>one<ul><li>inner</li></ul></li><li>two</li></ol>",
                         "<td><strong>2</strong></td>", "<blockquote><p>quoted</p></blockquote>", "<figure", "**open ```"):
            self.assertIn(expected, made)
        self.assertIsNone(page.evaluate("window.broken ?? null"))
        # Whatever it is, it takes no time.
        for text in ("*" * 20000, "[" * 20000, "> " * 5000, "`" * 9999 + "a", "- " * 5000, "|" * 20000 + "\n|-|", "**a " * 5000):
            page.evaluate(f"""import("/page/markdown.js").then(({{render_markdown}}) =>
                render_markdown(document.createElement("div"), {json.dumps(text)}))""")
        self.assertEqual(page.faults(), [])

    def test_it_asks_for_a_key(self):
        with tempfile.NamedTemporaryFile("w", suffix=".keys") as keys:
            keys.write(KEY + "\n")
            keys.flush()
            _, page = self.serve("--api-key-file", keys.name)
            page.wait_for("document.getElementById('ask-key').open")
            self.shoot(page, "key")
            page.type("not-the-key-of-this-server")
            page.press("Enter", "\r")
            page.wait_for("document.getElementById('key-error').textContent")
            page.type(KEY)
            page.press("Enter", "\r")
            page.wait_for("document.querySelector('.list .empty')")
            page.reload()
            page.wait_for("document.querySelector('.list .empty')")  # it is remembered for the tab


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--screenshots")
    arguments, rest = parser.parse_known_args()
    if find_chromium() is None:
        print("skipped: there is no Chromium here (tools/install-packages --test)")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
