// Questions and answers as elements, and an answer that is being made as its events come.

import {badge, element, icon_button, icon, announce} from "./dom.js";
import {copy_text, render_markdown} from "./markdown.js";

const kStates = {partial: "interrupted", cut: "length limit", cancelled: "stopped"};

const kCauses = {
  explicit: "asked by name", confident: "clear match", below_threshold: "no specialist was sure enough",
  unfamiliar: "unlike the specialists' subjects", follow_up: "goes on from before", mode: "chosen by you",
  unclassified: "not classified",
};

const seconds = (ms) => (ms < 950 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

export function question_element(text) {
  return element("article", {class: "question", "aria-label": "You"}, element("p", {}, text));
}

/** Tokens a second after the first one; none where that says nothing. */
function speed(timings) {
  const ms = timings.total_ms - timings.first_token_ms;
  return timings.decode_tokens > 1 && ms > 0 ? (1000 * timings.decode_tokens) / ms : null;
}

function figures(message) {
  const {timings, context, place} = message;
  const tokens_a_second = speed(timings);
  const shown = [];
  if (tokens_a_second) shown.push(`${tokens_a_second.toFixed(tokens_a_second < 20 ? 1 : 0)} tokens/s`);
  if (timings.first_token_ms > 0) shown.push(`first after ${seconds(timings.first_token_ms)}`);
  if (timings.load_ms > 20) shown.push(`loaded in ${seconds(timings.load_ms)}`);
  if (context.limit > 0) shown.push(`${context.tokens} of ${context.limit} tokens`);
  shown.push(place === "cloud" ? "in the cloud" : "on this machine");
  return element("p", {class: "figures"}, shown.join("  ·  "));
}

function why(cause, reason, confidence) {
  const sure = confidence !== null && confidence !== undefined && cause !== "explicit" && cause !== "mode"
    ? `, ${Math.round(100 * confidence)} % sure` : "";
  return element("details", {class: "why"}, element("summary", {}, (kCauses[cause] ?? cause) + sure),
                 element("p", {}, reason));
}

/** What people can do with an answer: `on_rate(message, feedback)`, `on_again()`. */
function actions(message, handlers) {
  const copy = icon_button("copy", "Copy the answer", () => copy_text(message.text, copy));
  const rate = (feedback, label) => icon_button(feedback === "up" ? "good" : "bad", label, async () => {
    const wanted = message.feedback === feedback ? null : feedback;
    if (!(await handlers.on_rate(message, wanted))) return;
    message.feedback = wanted;
    for (const [button, name] of [[good, "up"], [bad, "down"]]) button.setAttribute("aria-pressed", wanted === name);
    announce(wanted ? "Thank you, noted" : "Taken back");
  }, {"aria-pressed": String(message.feedback === feedback)});
  const good = rate("up", "Good answer"), bad = rate("down", "Bad answer");
  const again = icon_button("again", "Answer again", handlers.on_again, {class: "icon again"});
  return element("div", {class: "actions", role: "group", "aria-label": "This answer"}, copy, good, bad, again);
}

/** An answer that is stored. */
export function answer_element(message, handlers) {
  const body = element("div", {class: "prose"});
  render_markdown(body, message.text);
  const state = kStates[message.state];
  return element("article", {class: "answer", "aria-label": `Answer of ${message.by}`},
                 element("header", {}, badge(message.by), why(message.route.cause, message.route.reason, message.route.confidence)),
                 body,
                 element("footer", {}, actions(message, handlers), state ? element("span", {class: "state"}, state) : null,
                         figures(message)));
}

export function failure_element(text, on_again) {
  return element("article", {class: "failure", role: "alert"}, element("p", {}, text),
                 on_again ? element("button", {type: "button", class: "button quiet", click: on_again}, icon("again"), "Try again") : null);
}

/** An answer that is being made. Its element is `this.element`. */
export class LiveAnswer {
  constructor() {
    this.text = "";
    this.step_begin = 0;
    this.n_tokens = 0;
    this.first_token = 0;
    this.steps = [];
    this.badge = element("span", {class: "badge waiting"}, "routing");
    this.status = element("span", {class: "progress-text"}, "Deciding who answers");
    this.bar = element("progress", {max: "1", "aria-label": "Loading the model", hidden: true});
    this.notes = element("div", {class: "notes"});
    this.body = element("div", {class: "prose"});
    this.why = element("span");
    this.speed = element("p", {class: "figures"});
    this.element = element("article", {class: "answer live", "aria-busy": "true", "aria-label": "Answer"},
                           element("header", {}, this.badge, this.why, this.status), this.bar, this.notes, this.body,
                           element("footer", {}, this.speed));
  }

  take(event) {
    const follow = this["on_" + event.event];
    if (follow) follow.call(this, event);
  }

  on_route(event) {
    this.show_member(event.specialist);
    const because = why(event.cause, event.reason, event.confidence);
    this.why.replaceWith(because);
    this.why = because;
    this.say("");
    announce(`${event.specialist} answers`);
  }
  on_plan(event) {
    this.steps = event.steps;
    this.note(`In ${event.steps.length} steps: ${event.steps.map((step) => step.specialist).join(", then ")}`);
  }
  on_step(event) {
    if (event.index > 0) this.text += "\n\n";
    this.step_begin = this.text.length;
    if (event.index < this.steps.length) this.show_member(this.steps[event.index].specialist);
  }
  on_status(event) {
    const {kind, specialist} = event;
    if (kind === "acknowledged") this.note(event.text);
    if (kind === "talking") this.note(event.text, "talking");
    if (kind === "thinking") this.note(event.text, "thinking");
    if (kind === "loading") {
      this.bar.hidden = false;
      this.bar.value = event.fraction;
      this.say(`Loading ${specialist}, ${Math.floor(100 * event.fraction)} %`);
    }
    if (kind === "ready") {
      this.bar.hidden = true;
      this.say(`${specialist} is ready`);
    }
    if (kind === "summarising") this.say("Summarising what was said earlier");
  }
  on_handoff(event) {
    this.bar.hidden = true;
    this.say(`Reading ${event.tokens - event.known_tokens} of ${event.tokens} tokens`);
  }
  on_token(event) {
    this.show_member(event.by);
    this.text += event.text;
    this.say("");
    const now = performance.now();
    if (this.n_tokens++ === 0) this.first_token = now;
    const rate = (1000 * (this.n_tokens - 1)) / (now - this.first_token);
    if (this.n_tokens > 4) this.speed.textContent = `${rate.toFixed(rate < 20 ? 1 : 0)} tokens/s`;
    this.draw();
  }
  on_fallback(event) {
    this.text = this.text.slice(0, this.step_begin);
    this.bar.hidden = true;
    this.show_member(event.to);
    this.note(event.text || `${event.to} answers instead of ${event.from}`);
    this.draw();
  }
  on_forget(event) {
    this.note(event.text);
  }

  show_member(name) {
    const shown = badge(name);
    this.badge.replaceWith(shown);
    this.badge = shown;
  }
  say(text) {
    this.status.textContent = text;
  }
  /** Goes on with the last note if it is of the same kind, as talk and thoughts come in pieces. */
  note(text, kind = "") {
    const last = this.notes.lastElementChild;
    if (kind !== "" && last?.dataset.kind === kind) last.textContent += text;
    else this.notes.append(element("p", {"data-kind": kind}, text));
  }
  draw() {
    if (this.is_drawing) return;
    this.is_drawing = true;
    requestAnimationFrame(() => {
      this.is_drawing = false;
      render_markdown(this.body, this.text);
      this.on_drawn?.();
    });
  }
}
