// The page: which conversation is open, and what its buttons do.

import {LiveAnswer, answer_element, failure_element, question_element} from "./answer.js";
import {Dashboard} from "./dashboard.js";
import {announce, badge, element, icon} from "./dom.js";
import {download, events, get, request, set_key_dialog} from "./server.js";
import {Sidebar} from "./sidebar.js";

const at = (id) => document.getElementById(id);
const kNewTitle = "New conversation";
const kNarrow = matchMedia("(max-width: 51rem)");

const sidebar = new Sidebar();
const dashboard = new Dashboard();
let open_id = null;   // of the conversation; null: one that does not exist yet
let running = null;   // the id of the conversation whose answer comes
let live = null;      // that answer
let opened = 0;       // counts what was opened: an answer that comes later is out of date

for (const button of document.querySelectorAll("[data-icon]")) button.prepend(icon(button.dataset.icon));

// Dialogs

/** Resolves with whether the person agreed. */
function ask(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok"), {once: true}));
}

for (const button of document.querySelectorAll("[data-close]"))
  button.addEventListener("click", () => button.closest("dialog").close());

set_key_dialog(async (was_wrong) => {
  at("key-error").textContent = was_wrong ? "The server does not know this key." : "";
  at("key").value = "";
  return (await ask(at("ask-key"))) ? {key: at("key").value.trim(), remember: at("key-remember").checked} : null;
});

function fail(error) {
  at("messages").append(failure_element(error.message));
  scroll_down();
}

// Opening

function show_title(title) {
  at("title").textContent = title || kNewTitle;
  document.title = title ? title + " – SAIN" : "SAIN";
}

function show_fill(context) {
  at("fill").hidden = !context || context.limit === 0;
  if (at("fill").hidden) return;
  at("fill-meter").value = context.tokens / context.limit;
  at("fill-text").textContent = `${Math.round((100 * context.tokens) / context.limit)} %`;
  at("fill").title = `${context.tokens} of ${context.limit} tokens`;
}

function show_empty() {
  show_title("");
  show_fill(null);
  at("messages").replaceChildren();
  at("welcome").hidden = false;
  at("tools").hidden = true;
}

const handlers = {
  on_again: () => answer({regenerate: true}),
  on_rate: async (message, feedback) => {
    try {
      await request("PUT", `/v1/conversations/${open_id}/messages/${message.id}/feedback`, {feedback});
      return true;
    } catch (error) {
      fail(error);
      return false;
    }
  },
};

function show(conversation) {
  show_title(conversation.title);
  at("welcome").hidden = conversation.messages.length > 0;
  at("tools").hidden = false;
  const shown = conversation.messages.map((message) =>
    message.role === "user" ? question_element(message.text) : answer_element(message, handlers));
  at("messages").replaceChildren(...shown);
  const last = conversation.messages.at(-1);
  if (last?.role === "user")
    at("messages").append(failure_element("This question has no answer.", handlers.on_again));
  show_fill(conversation.messages.findLast((message) => message.role === "assistant")?.context);
}

async function open(id) {
  if (id === open_id && id !== null) return;
  const mine = ++opened;
  open_id = id;
  sidebar.select(id);
  show_sidebar(false);
  if (id === null) {
    show_empty();
  } else {
    try {
      const conversation = await get("/v1/conversations/" + id);
      if (mine !== opened) return;
      show(conversation);
      if (running === id) show_live();
    } catch (error) {
      if (mine !== opened) return;
      show_empty();
      at("welcome").hidden = true;
      fail(error);
    }
  }
  show_running();
  scroll_down(true);
  if (!kNarrow.matches) at("question").focus();
}

const id_of_address = () => /^#\/([0-9a-f]+)$/.exec(location.hash)?.[1] ?? null;
addEventListener("hashchange", () => open(id_of_address()));

// Answers

function show_running() {
  const is_running = running !== null;
  at("send").hidden = is_running;
  at("stop").hidden = !is_running;
  at("messages").setAttribute("aria-busy", is_running);
}

function is_at_end() {
  const scroller = at("scroller");
  return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
}

function scroll_down(is_jump = false) {
  at("scroller").scrollTo({top: at("scroller").scrollHeight, behavior: is_jump ? "instant" : "auto"});
}

function how() {
  const [kind, value] = at("who").value.split(":");
  return {[kind]: value};
}

/** Brings back the answer that is still coming to a conversation that was left and opened again. */
function show_live() {
  const messages = at("messages");
  while (messages.lastElementChild && !messages.lastElementChild.matches(".question")) messages.lastElementChild.remove();
  messages.append(live.element);
}

async function make_conversation() {
  const mine = ++opened;
  const made = await (await request("POST", "/v1/conversations", {})).json();
  if (mine !== opened) throw new Error("Another conversation was opened meanwhile.");
  open_id = made.id;
  history.replaceState(null, "", "#/" + made.id);
  sidebar.select(made.id);
  return made.id;
}

/** `what`: {text} or {regenerate: true}. False: the question was not taken. */
async function answer(what) {
  if (running !== null) return false;
  running = open_id ?? "";
  show_running();
  at("welcome").hidden = true;
  const messages = at("messages");
  for (const failed of messages.querySelectorAll(".failure")) failed.remove();
  live = new LiveAnswer();
  live.on_drawn = () => is_at_end() && scroll_down();
  const question = what.text ? question_element(what.text) : null;
  const replaced = question ? null : messages.querySelector(".answer:last-child");
  if (question) messages.append(question);
  if (replaced) replaced.replaceWith(live.element);
  else messages.append(live.element);
  scroll_down();
  let was_taken = false, was_stored = false;
  try {
    const id = open_id ?? (await make_conversation());
    running = id;
    const response = await request("POST", `/v1/conversations/${id}/messages`, {...what, ...how()});
    for await (const event of events(response)) {
      live.take(event);
      if (event.event === "question") {
        was_taken = true;
        sidebar.refresh().then(() => name_from_list(id));
      }
      if (event.event === "stored") {
        was_stored = true;
        live.element.replaceWith(answer_element(event.message, handlers));
        if (open_id === id) show_fill(event.message.context);
        announce(`${event.message.by} has answered: ${event.message.text.slice(0, 2000)}`);
      }
      if (event.event === "error") throw new Error(event.message);
    }
    if (!was_stored) throw new Error(live.text === "" ? "There is no answer." : "The answer has broken off.");
  } catch (error) {
    const is_open = live.element.isConnected;
    if (live.text === "") live.element.remove();  // what was said may be read, stored or not
    live.element.classList.remove("live");
    if (!was_taken) {
      question?.remove();
      if (is_open && replaced) messages.append(replaced);
    }
    if (is_open || !was_taken) messages.append(failure_element(error.message, was_taken ? handlers.on_again : null));
  }
  running = null;
  show_running();
  return was_taken;
}

function name_from_list(id) {
  const listed = sidebar.conversations.find((conversation) => conversation.id === id);
  if (open_id !== id) return;
  at("tools").hidden = false;
  if (listed) show_title(listed.title);
}

async function send() {
  const text = at("question").value;
  if (text.trim() === "" || running !== null || at("send").disabled) return;
  at("question").value = "";
  fit_question();
  if (!(await answer({text})) && at("question").value === "") at("question").value = text;
}

async function stop() {
  if (running) await request("DELETE", `/v1/conversations/${running}/answer`).catch(fail);
}

function fit_question() {
  const question = at("question");
  question.style.height = "auto";
  question.style.height = Math.min(question.scrollHeight, 240) + "px";
}

at("question").addEventListener("input", fit_question);
at("question").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send();
});
at("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
at("stop").addEventListener("click", stop);

// Around them

at("new").addEventListener("click", () => {
  history.pushState(null, "", location.pathname);
  open(null);
});
at("rename").addEventListener("click", async () => {
  at("name").value = at("title").textContent;
  at("name").select();
  if (!(await ask(at("ask-name"))) || at("name").value.trim() === "") return;
  const title = at("name").value.trim();
  try {
    await request("PATCH", "/v1/conversations/" + open_id, {title});
    show_title(title);
    await sidebar.refresh();
  } catch (error) {
    fail(error);
  }
});
at("delete").addEventListener("click", async () => {
  const id = open_id;
  if (!(await ask(at("ask-delete")))) return;
  try {
    await request("DELETE", "/v1/conversations/" + id);
    announce("The conversation is deleted");
    history.replaceState(null, "", location.pathname);
    await open(null);
    await sidebar.refresh();
  } catch (error) {
    fail(error);
  }
});

function show_export_menu(is_shown) {
  at("export-menu").hidden = !is_shown;
  at("export").setAttribute("aria-expanded", is_shown);
  if (is_shown) at("export-menu").firstElementChild.focus();
}
at("export").addEventListener("click", () => show_export_menu(at("export-menu").hidden));
at("export-menu").addEventListener("click", (event) => {
  const format = event.target.dataset.format;
  show_export_menu(false);
  at("export").focus();
  if (format) download(`/v1/conversations/${open_id}/export?format=${format}`).catch(fail);
});
at("export-menu").addEventListener("keydown", (event) => {
  const items = [...at("export-menu").children];
  const step = {ArrowDown: 1, ArrowUp: -1}[event.key];
  if (step) {
    event.preventDefault();
    items[(items.indexOf(document.activeElement) + step + items.length) % items.length].focus();
  }
});
at("tools").addEventListener("focusout", (event) => {
  if (!at("tools").contains(event.relatedTarget)) show_export_menu(false);
});

function show_sidebar(is_shown) {
  document.body.classList.toggle("with-sidebar", is_shown);
  at("veil").hidden = !is_shown;
  at("sidebar").inert = kNarrow.matches && !is_shown;
  at("open-sidebar").setAttribute("aria-expanded", is_shown);
}
at("open-sidebar").addEventListener("click", () => {
  show_sidebar(true);
  at("search").focus();
});
for (const id of ["close-sidebar", "veil"]) at(id).addEventListener("click", () => show_sidebar(false));
kNarrow.addEventListener("change", () => show_sidebar(false));

function show_dashboard(is_shown) {
  dashboard.open(is_shown);
  document.body.classList.toggle("with-dashboard", is_shown);
  at("open-dashboard").setAttribute("aria-expanded", is_shown);
  at(is_shown ? "close-dashboard" : "open-dashboard").focus();
}
at("open-dashboard").addEventListener("click", () => show_dashboard(!dashboard.is_open));
at("close-dashboard").addEventListener("click", () => show_dashboard(false));

const kThemes = {system: ["half", "as the system"], light: ["sun", "light"], dark: ["moon", "dark"]};
function show_theme() {
  const theme = document.documentElement.dataset.theme ?? "system";
  const label = `Theme: ${kThemes[theme][1]}`;
  at("theme").replaceChildren(icon(kThemes[theme][0]));
  at("theme").setAttribute("aria-label", label);
  at("theme").title = label;
}
at("theme").addEventListener("click", () => {
  const names = Object.keys(kThemes);
  const next = names[(names.indexOf(document.documentElement.dataset.theme ?? "system") + 1) % names.length];
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  localStorage.setItem("theme", next);
  show_theme();
});

addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    if (!at("export-menu").hidden) show_export_menu(false), at("export").focus();
    else if (document.body.classList.contains("with-sidebar")) show_sidebar(false), at("open-sidebar").focus();
    else if (document.querySelector("dialog[open]") === null) stop();
  }
  if ((event.ctrlKey || event.metaKey) && event.key === "k") {
    event.preventDefault();
    show_sidebar(kNarrow.matches);
    at("search").focus();
  }
});

// Beginning

async function wait_until_ready() {
  at("send").disabled = true;
  for (;;) {
    const answered = await fetch("/health").catch(() => null);
    if (answered?.ok) break;
    at("question").placeholder = answered ? "The assistant is being loaded" : "The server does not answer";
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  at("question").placeholder = "Ask anything";
  at("send").disabled = false;
}

async function list_members() {
  const names = (await get("/v1/models")).data.map((model) => model.id).filter((name) => name !== "auto");
  const option = (value, text) => element("option", {value}, text);
  at("who").replaceChildren(
    option("mode:auto", "Best match"), option("mode:fast", "Assistant only"), option("mode:slow", "Always a specialist"),
    element("optgroup", {label: "By name"}, ...names.map((name) => option("model:" + name, name))));
  at("members").replaceChildren(...names.map(badge));
}

show_theme();
show_sidebar(false);
show_running();
await wait_until_ready();
try {
  await list_members();
  await sidebar.refresh();
} catch (error) {
  fail(error);
}
open(id_of_address());
