// Markdown of answers as elements. Whatever a model writes becomes text: there is no way from here to markup, and links
// lead to http, https and mailto alone. Of CommonMark and its tables as much as models use.

import {element, icon, announce} from "./dom.js";

/** Replaces what is in `target` by what `text` says. */
export function render_markdown(target, text) {
  target.replaceChildren(...blocks(text.replaceAll("\r\n", "\n").split("\n")));
}

const kFence = /^ {0,3}(`{3,}|~{3,})\s*([^`\s]*)/;
const kHeading = /^ {0,3}(#{1,6})\s+(.*?)(?:\s+#+)?\s*$/;
const kRule = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const kQuote = /^ {0,3}> ?(.*)$/;
const kItem = /^( *)([-*+]|\d{1,9}[.)])(?: +(.*)|\s*)$/;
const kTableLine = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;
const kMostNested = 12;

function blocks(lines, depth = 0) {
  const made = [];
  let paragraph = [];
  const end_paragraph = () => {
    if (paragraph.length > 0) made.push(element("p", {}, ...inline(paragraph.join("\n"))));
    paragraph = [];
  };
  for (let i = 0; i < lines.length; ) {
    const line = lines[i];
    let found;
    if ((found = kFence.exec(line))) {
      end_paragraph();
      i = fenced(lines, i, found, made);
    } else if (line.trim() === "") {
      end_paragraph();
      ++i;
    } else if ((found = kHeading.exec(line))) {
      end_paragraph();
      // The page has h1 and h2 of its own.
      made.push(element("h" + Math.min(6, found[1].length + 2), {}, ...inline(found[2])));
      ++i;
    } else if (kRule.test(line)) {
      end_paragraph();
      made.push(element("hr"));
      ++i;
    } else if (kQuote.test(line) && depth < kMostNested) {
      end_paragraph();
      const quoted = [];
      while (i < lines.length && (found = kQuote.exec(lines[i]))) quoted.push(found[1]), ++i;
      made.push(element("blockquote", {}, ...blocks(quoted, depth + 1)));
    } else if ((found = kItem.exec(line)) && depth < kMostNested) {
      end_paragraph();
      i = list(lines, i, found, made, depth);
    } else if (line.includes("|") && i + 1 < lines.length && lines[i + 1].includes("-") && kTableLine.test(lines[i + 1])) {
      end_paragraph();
      i = table(lines, i, made);
    } else {
      paragraph.push(line);
      ++i;
    }
  }
  end_paragraph();
  return made;
}

// Each of the following takes lines from the i-th on and gives the first that it has not taken.

function fenced(lines, i, [, fence, language], made) {
  const code = [];
  for (++i; i < lines.length && !(lines[i].trim().startsWith(fence) && /^[`~]+$/.test(lines[i].trim())); ++i)
    code.push(lines[i]);
  const text = code.join("\n");
  const copy = element("button", {type: "button", class: "copy", click: () => copy_text(text, copy)},
                       icon("copy"), element("span", {}, "Copy"));
  made.push(element("figure", {class: "code"},
                    element("figcaption", {}, element("span", {}, language || "text"), copy),
                    element("pre", {tabindex: "0"}, element("code", {}, text))));
  return i + 1;
}

function list(lines, i, [, , first_mark], made, depth) {
  const is_ordered = /\d/.test(first_mark);
  const start = is_ordered ? parseInt(first_mark, 10) : 1;
  const items = [];
  while (i < lines.length) {
    const found = kItem.exec(lines[i]);
    if (!found || /\d/.test(found[2]) !== is_ordered || kRule.test(lines[i])) break;
    const indent = found[1].length + found[2].length + 1;
    const own = [found[3] ?? ""];
    for (++i; i < lines.length; ++i) {
      const spaces = /^ */.exec(lines[i])[0].length;
      if (lines[i].trim() === "") {
        // A blank line belongs to the item if more of it follows.
        const next = lines[i + 1] ?? "";
        if (/^ */.exec(next)[0].length < Math.min(indent, 2) || next.trim() === "") break;
      } else if (spaces < Math.min(indent, 2 + found[1].length) &&
                 (kItem.test(lines[i]) || kHeading.test(lines[i]) || kFence.test(lines[i]))) {
        break;
      }
      own.push(lines[i].slice(Math.min(spaces, indent)));
    }
    const content = blocks(own, depth + 1);
    // An item of one paragraph stands without it.
    const is_short = content.length > 0 && content[0].tagName === "P";
    items.push(element("li", {}, ...(is_short ? [...content[0].childNodes, ...content.slice(1)] : content)));
    while (i < lines.length && lines[i].trim() === "" && kItem.test(lines[i + 1] ?? "")) ++i;
  }
  made.push(element(is_ordered ? "ol" : "ul", {start: is_ordered && start !== 1 ? start : null}, ...items));
  return i;
}

function table(lines, i, made) {
  const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
  const row = (line, tag) => element("tr", {}, ...cells(line).map((cell) => element(tag, {}, ...inline(cell))));
  const head = element("thead", {}, row(lines[i], "th"));
  const body = element("tbody");
  for (i += 2; i < lines.length && lines[i].includes("|"); ++i) body.append(row(lines[i], "td"));
  made.push(element("div", {class: "table", tabindex: "0"}, element("table", {}, head, body)));
  return i;
}

// Alternatives in the order in which they win: code, escape, link, bold, italic, struck, address.
const kInline = new RegExp([
  /(?<ticks>`+)(?<code>[^`]|[^`].*?[^`])\k<ticks>(?!`)/,
  /\\(?<escaped>[\\`*_{}[\]()#+\-.!|~<>])/,
  /!?\[(?<label>[^\]\n]{0,500})\]\((?<target>[^()\s]{1,2000})(?:\s+"[^"\n]*")?\)/,
  /(?<strong>\*\*|__)(?=\S)(?<bold>.+?)(?<=\S)\k<strong>/,
  /(?<![\w*])(?<mark>[*_])(?=[^\s*_])(?<italic>.+?)(?<=\S)\k<mark>(?![\w*])/,
  /~~(?<struck>[^~]+)~~/,
  /(?<address>https?:\/\/[^\s<>"')\]]+[^\s<>"')\].,;:!?])/,
].map((part) => part.source).join("|"), "s");

function inline(text, depth = 0) {
  const made = [];
  while (text !== "") {
    const found = depth < kMostNested ? kInline.exec(text) : null;
    if (!found) {
      made.push(...broken_lines(text));
      break;
    }
    made.push(...broken_lines(text.slice(0, found.index)));
    text = text.slice(found.index + found[0].length);
    const part = found.groups;
    if (part.code !== undefined) made.push(element("code", {}, part.code.trim() || part.code));
    else if (part.escaped !== undefined) made.push(part.escaped);
    else if (part.target !== undefined) made.push(link(part.target, inline(part.label, depth + 1)));
    else if (part.bold !== undefined) made.push(element("strong", {}, ...inline(part.bold, depth + 1)));
    else if (part.italic !== undefined) made.push(element("em", {}, ...inline(part.italic, depth + 1)));
    else if (part.struck !== undefined) made.push(element("del", {}, ...inline(part.struck, depth + 1)));
    else made.push(link(part.address, [part.address]));
  }
  return made;
}

function broken_lines(text) {
  return text.split(/(?: {2,}|\\)\n/).flatMap((line, i) => (i === 0 ? [line] : [element("br"), line]));
}

function link(target, label) {
  if (!/^(https?:\/\/|mailto:)/i.test(target)) return element("span", {}, ...label);
  return element("a", {href: target, target: "_blank", rel: "noopener noreferrer nofollow"}, ...label);
}

export async function copy_text(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    announce("The browser does not let this page copy");
    return;
  }
  announce("Copied");
  button.replaceChild(icon("check"), button.firstChild);
  setTimeout(() => button.replaceChild(icon("copy"), button.firstChild), 1500);
}
