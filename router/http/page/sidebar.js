// The list of conversations.

import {element} from "./dom.js";
import {get} from "./server.js";

const kDay = 24 * 3600 * 1000;

function age(updated) {
  const today = new Date().setHours(0, 0, 0, 0);
  const then = new Date(updated).getTime();
  if (then >= today) return "Today";
  if (then >= today - kDay) return "Yesterday";
  if (then >= today - 7 * kDay) return "This week";
  return new Date(updated).toLocaleDateString(undefined, {month: "long", year: "numeric"});
}

export class Sidebar {
  constructor() {
    this.list = document.getElementById("list");
    this.search = document.getElementById("search");
    this.current = null;
    let waiting;
    this.search.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => this.refresh(), 150);
    });
  }

  async refresh() {
    const search = this.search.value.trim();
    const {data} = await get("/v1/conversations?limit=500&search=" + encodeURIComponent(search));
    if (search !== this.search.value.trim()) return;  // a later answer comes
    this.conversations = data;
    this.draw();
  }

  draw() {
    const groups = new Map();
    for (const conversation of this.conversations) {
      const group = age(conversation.updated);
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(conversation);
    }
    this.list.replaceChildren(...[...groups].map(([name, conversations], i) =>
      element("section", {"aria-labelledby": "group-" + i}, element("h2", {id: "group-" + i}, name),
              element("ul", {}, ...conversations.map((conversation) => this.item(conversation))))));
    if (this.conversations.length === 0)
      this.list.append(element("p", {class: "empty"}, this.search.value ? "Nothing has this in its title." : "Nothing yet."));
  }

  item(conversation) {
    return element("li", {}, element("a", {
      href: "#/" + conversation.id, title: conversation.title,
      "aria-current": conversation.id === this.current ? "page" : null,
    }, conversation.title || "New conversation"));
  }

  /** Which one is open. */
  select(id) {
    this.current = id;
    for (const link of this.list.querySelectorAll("a")) {
      if (link.getAttribute("href") === "#/" + id) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }
}
