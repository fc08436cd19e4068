// Elements without markup: text is never read as HTML.

/** element("a", {class: "link", href: "/"}, "text", child, ...); functions are listeners, null and false are left out. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(key, value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

const kSvg = "http://www.w3.org/2000/svg";

export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(kSvg, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Strokes within 20 by 20.
const kIcons = {
  plus: "M10 4v12M4 10h12",
  close: "M5 5l10 10M15 5L5 15",
  menu: "M3 6h14M3 10h14M3 14h9",
  pencil: "M12.5 4.5l3 3L7 16l-3.6.6L4 13z",
  download: "M10 3v9M6.5 8.8L10 12.3l3.5-3.5M4 16.5h12",
  trash: "M4 6h12M8 6V4h4v2M5.5 6l.8 10.5h7.4L14.5 6",
  sun: "M10 6.8a3.2 3.2 0 100 6.4 3.2 3.2 0 000-6.4zM10 2.5v1.6M10 15.9v1.6M2.5 10h1.6M15.9 10h1.6M4.7 4.7l1.1 1.1M14.2 14.2l1.1 1.1M4.7 15.3l1.1-1.1M14.2 5.8l1.1-1.1",
  moon: "M16 11.8A6.5 6.5 0 018.2 4 6.5 6.5 0 1016 11.8z",
  half: "M10 3a7 7 0 100 14 7 7 0 000-14zM10 3v14M10 6l5 1.5M10 10h7M10 14l5-1.5",
  gauge: "M3.5 14.5a7 7 0 1113 0M10 11.5l3.2-4.2",
  up: "M10 16V4.5M5 9.5l5-5 5 5",
  stop: "M6.5 6.5h7v7h-7z",
  copy: "M7.5 7.5h8.5V16H7.5zM12.5 7.5V4H4v8.5h3.5",
  check: "M4.5 10.5l3.5 3.5 7.5-8",
  again: "M15.8 8.2A6 6 0 1016 11.5M16 4v4.3h-4.3",
  good: "M6.5 9l3-5.5c1.3 0 2 .8 1.7 2.2L10.7 8h4c1 0 1.6.8 1.4 1.8l-1 4.6c-.2.7-.8 1.1-1.5 1.1h-7.1zM3.5 9h3v6.5h-3z",
  bad: "M6.5 11l3 5.5c1.3 0 2-.8 1.7-2.2L10.7 12h4c1 0 1.6-.8 1.4-1.8l-1-4.6c-.2-.7-.8-1.1-1.5-1.1H6.5zM3.5 4.5h3V11h-3z",
};

export function icon(name) {
  const drawn = svg("svg", {viewBox: "0 0 20 20", "aria-hidden": "true", class: "glyph"});
  drawn.append(svg("path", {d: kIcons[name]}));
  return drawn;
}

export function icon_button(name, label, on_click, attributes = {}) {
  return element("button", {type: "button", class: "icon", "aria-label": label, title: label, click: on_click,
                            ...attributes}, icon(name));
}

/** For people who listen to the page. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

/** A colour of its own for each member, the same everywhere. */
export function hue_of(member) {
  if (member === "assistant") return 160;
  let hash = 7;
  for (const character of member) hash = (hash * 31 + character.codePointAt(0)) % 997;
  return [28, 262, 205, 335, 85, 232, 5, 300][hash % 8];
}

export function badge(member) {
  const made = element("span", {class: "badge"}, member);
  made.style.setProperty("--hue", hue_of(member));
  return made;
}
