#include "router/http/models.h"

#include <nlohmann/json.hpp>

#include "router/http/chat_call.h"
#include "router/protocol/message.h"

namespace sain::router {
namespace {

using nlohmann::ordered_json;

ordered_json model_json(std::string_view name) {
  return {{"id", name}, {"object", "model"}, {"created", 0}, {"owned_by", "sain"}};
}

}  // namespace

Status answer_models(const ChatTeam& team, ResponseWriter& writer) {
  std::vector<std::string> names = {"auto"};
  for (const std::string& name : team.members().present_names()) names.push_back(name);
  ordered_json data = ordered_json::array();
  for (const std::string& name : names) data.push_back(model_json(name));
  writer.send({.body = to_line({{"object", "list"}, {"data", std::move(data)}}) + "\n"});
  return {};
}

Status answer_model(std::string_view name, const ChatTeam& team, ResponseWriter& writer) {
  SAIN_RETURN_IF_ERROR(find_member(name, team.members()));
  writer.send({.body = to_line(model_json(name)) + "\n"});
  return {};
}

}  // namespace sain::router
