// What the machine does: models in memory, latencies, counts; once a second as long as somebody looks.

import {badge, element, svg} from "./dom.js";
import {get} from "./server.js";

const kPeriodMs = 1000;
const kHistory = 60;
const kStages = {route: "Routing", load: "Loading", prefill: "Reading", first_token: "First token", token: "Each token"};

function bytes(n) {
  if (n >= 2 ** 30) return `${(n / 2 ** 30).toFixed(2)} GiB`;
  return `${(n / 2 ** 20).toFixed(n < 10 * 2 ** 20 ? 1 : 0)} MiB`;
}

function ms(n) {
  if (n >= 1000) return `${(n / 1000).toFixed(2)} s`;
  return `${n < 10 ? n.toFixed(1) : Math.round(n)} ms`;
}

const file_name = (path) => path.split("/").pop().replace(/\.gguf$/, "");

function section(title, ...children) {
  return element("section", {}, element("h3", {}, title), ...children);
}

function memory(title, budget, parts) {
  const used = parts.reduce((sum, part) => sum + part.bytes, 0);
  const share = Math.min(1, used / budget);
  return section(title,
    element("p", {class: "big"}, bytes(used), element("small", {}, ` of ${bytes(budget)}`)),
    element("meter", {min: 0, max: 1, value: share, low: 0.8, high: 0.95, optimum: 0, "aria-label": `${title} in use`}),
    element("dl", {}, ...[...parts].sort((a, b) => b.bytes - a.bytes).filter((part) => part.bytes > 0).slice(0, 7)
      .map((part) => element("div", {}, element("dt", {}, part.owner.replace("weights:", "")), element("dd", {}, bytes(part.bytes))))));
}

function device_memory(device) {
  return device.name ? [memory("Memory of the device", device.budget_bytes, device.memory)] : [];
}

function models(status) {
  return section("Models", element("ul", {class: "models"}, ...status.models.map((model) =>
    element("li", {class: "state-" + model.state},
      element("div", {}, element("strong", {}, file_name(model.file)),
              element("span", {class: "model-state"}, model.state === "leased" ? "in use" : model.state)),
      model.state === "loading" ? element("progress", {max: 1, value: model.fraction, "aria-label": "Loading"}) : null,
      element("div", {class: "chips"}, ...model.members.map(badge)),
      element("small", {}, model.weights_bytes > 0 ? bytes(model.weights_bytes) + (model.load_ms > 0 ? `, loaded in ${ms(model.load_ms)}` : "") : "on disk")))));
}

function latencies(status) {
  const row = ([name, stage]) => element("tr", {}, element("th", {scope: "row"}, kStages[name] ?? name),
    ...(stage.count > 0 ? [stage.p50_ms, stage.p95_ms, stage.p99_ms].map((n) => element("td", {}, ms(n)))
                        : [element("td", {colspan: 3}, "–")]));
  return section("Latencies", element("table", {},
    element("thead", {}, element("tr", {}, ...["", "p50", "p95", "p99"].map((name) => element("th", {scope: "col"}, name)))),
    element("tbody", {}, ...Object.entries(status.stages).map(row))));
}

function line_of(values) {
  const most = Math.max(...values, 1);
  const points = values.map((value, i) => `${(i * 240) / (kHistory - 1)},${46 - (44 * value) / most}`).join(" ");
  return svg("svg", {viewBox: "0 0 240 48", class: "history", preserveAspectRatio: "none", "aria-hidden": "true"},
             svg("polyline", {points}));
}

function work(status, history) {
  const counts = [["Requests", status.requests], ["Stopped", status.cancelled], ["Fallbacks", status.fallbacks],
                  ["Errors", status.errors], ["Tokens read", status.prompt_tokens], ["Tokens written", status.decode_tokens]];
  return section("Work",
    element("p", {class: "big"}, history.at(-1).toFixed(0), element("small", {}, " tokens/s in the last second")), line_of(history),
    element("dl", {}, ...counts.map(([name, n]) => element("div", {}, element("dt", {}, name), element("dd", {}, n.toLocaleString())))));
}

export class Dashboard {
  constructor() {
    this.panel = document.getElementById("dashboard");
    this.body = document.getElementById("dashboard-body");
    this.history = new Array(kHistory).fill(0);
    document.addEventListener("visibilitychange", () => this.refresh());
  }

  get is_open() {
    return !this.panel.hidden;
  }

  open(is_open) {
    this.panel.hidden = !is_open;
    this.refresh();
  }

  async refresh() {
    clearTimeout(this.timer);
    if (!this.is_open || document.hidden) return void (this.before = null);
    try {
      const status = await get("/v1/status");
      const now = performance.now();
      if (this.before) {
        const rate = (1000 * (status.decode_tokens - this.before.tokens)) / (now - this.before.now);
        this.history = [...this.history.slice(1), Math.max(0, rate)];
      }
      this.before = {tokens: status.decode_tokens, now};
      this.body.replaceChildren(memory("Memory", status.budget_bytes, status.memory), ...device_memory(status.device),
                                models(status), latencies(status), work(status, this.history));
    } catch (error) {
      this.body.replaceChildren(element("p", {class: "empty"}, error.message));
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.refresh(), kPeriodMs);
  }
}
