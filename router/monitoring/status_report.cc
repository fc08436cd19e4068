#include "router/monitoring/status_report.h"

#include <nlohmann/json.hpp>

namespace sain::router {
namespace {

using nlohmann::ordered_json;

// Each type's fields, once for writing and reading: `visit(name, field)`.

template <class Visit>
void for_each_field(ModelReport& model, const Visit& visit) {
  visit("file", model.file);
  visit("state", model.state);
  visit("members", model.members);
  visit("weights_bytes", model.weights_bytes);
  visit("kv_bytes", model.kv_bytes);
  visit("leases", model.leases);
  visit("load_ms", model.load_ms);
  visit("fraction", model.fraction);
  visit("device_bytes", model.device_bytes);
}

template <class Visit>
void for_each_field(MemoryReport& memory, const Visit& visit) {
  visit("owner", memory.owner);
  visit("bytes", memory.bytes);
}

template <class Visit>
void for_each_field(DeviceReport& device, const Visit& visit) {
  visit("name", device.name);
  visit("budget_bytes", device.budget_bytes);
  visit("used_bytes", device.used_bytes);
  visit("memory", device.memory);
}

template <class Visit>
void for_each_field(StageReport& stage, const Visit& visit) {
  visit("count", stage.count);
  visit("p50_ms", stage.p50_ms);
  visit("p95_ms", stage.p95_ms);
  visit("p99_ms", stage.p99_ms);
}

template <class Visit>
void for_each_field(EnergyReport& energy, const Visit& visit) {
  visit("joules", energy.joules);
  visit("reason", energy.reason);
  visit("cpu_seconds", energy.cpu_seconds);
  visit("wake_ups", energy.wake_ups);
}

template <class Visit>
void for_each_field(PrefetchReport& prefetch, const Visit& visit) {
  visit("begun", prefetch.begun);
  visit("hits", prefetch.hits);
  visit("dropped", prefetch.dropped);
}

template <class Visit>
void for_each_field(StatusReport& report, const Visit& visit) {
  visit("program", report.program);
  visit("pid", report.pid);
  visit("started", report.started);
  visit("budget_bytes", report.budget_bytes);
  visit("models", report.models);
  visit("memory", report.memory);
  visit("device", report.device);
  visit("rss_bytes", report.rss_bytes);
  visit("peak_rss_bytes", report.peak_rss_bytes);
  visit("anonymous_bytes", report.anonymous_bytes);
  visit("file_bytes", report.file_bytes);
  visit("requests", report.requests);
  visit("answers", report.answers);
  visit("fallbacks", report.fallbacks);
  visit("cancelled", report.cancelled);
  visit("errors", report.errors);
  visit("stages", report.stages);
  visit("prompt_tokens", report.prompt_tokens);
  visit("decode_tokens", report.decode_tokens);
  visit("decode_tps", report.decode_tps);
  visit("energy", report.energy);
  visit("prefetch", report.prefetch);
  visit("conversations", report.conversations);
}

// A value is a struct with fields, a list, an object by name, or what the JSON library knows.

template <class T>
concept HasFields = requires(T& value) {
  for_each_field(value, [](const char*, auto&) {});
};

struct Writer {
  template <class T>
  static void write(ordered_json& json, T& value) {
    if constexpr (HasFields<T>) {
      json = ordered_json::object();
      for_each_field(value, [&json](const char* name, auto& field) { write(json[name], field); });
    } else {
      json = value;
    }
  }

  template <class T>
  static void write(ordered_json& json, std::optional<T>& value) {
    json = value ? ordered_json(*value) : ordered_json();
  }

  template <class T>
  static void write(ordered_json& json, std::vector<T>& list) {
    json = ordered_json::array();
    for (T& value : list) write(json.emplace_back(), value);
  }

  template <class T>
  static void write(ordered_json& json, StatusReport::ByName<T>& by_name) {
    json = ordered_json::object();
    for (auto& [name, value] : by_name) write(json[name], value);
  }
};

struct Reader {
  template <class T>
  static void read(const ordered_json& json, T& value) {
    if constexpr (HasFields<T>) {
      for_each_field(value, [&json](const char* name, auto& field) {
        // at() rather than find(): what is no object is an error.
        if (!json.is_object() || json.contains(name)) read(json.at(name), field);
      });
    } else {
      json.get_to(value);
    }
  }

  template <class T>
  static void read(const ordered_json& json, std::optional<T>& value) {
    if (!json.is_null()) value = json.get<T>();
  }

  template <class T>
  static void read(const ordered_json& json, std::vector<T>& list) {
    for (const ordered_json& element : json.get_ref<const ordered_json::array_t&>()) read(element, list.emplace_back());
  }

  template <class T>
  static void read(const ordered_json& json, StatusReport::ByName<T>& by_name) {
    for (const auto& [name, element] : json.get_ref<const ordered_json::object_t&>()) {
      read(element, by_name.emplace_back(name, T{}).second);
    }
  }
};

}  // namespace

std::string to_json(const StatusReport& report) {
  ordered_json json;
  StatusReport copy = report;  // since reading visits the same fields, they are not const
  Writer::write(json, copy);
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

Result<StatusReport> parse_status_report(std::string_view json) {
  try {
    StatusReport report;
    Reader::read(ordered_json::parse(json), report);
    return report;
  } catch (const ordered_json::exception& error) {
    return make_error(ErrorCode::kCorrupt, "a status report: {}", error.what());
  }
}

}  // namespace sain::router
