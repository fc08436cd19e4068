#include "router/http/models.h"

#include <nlohmann/json.hpp>

#include "router/protocol/message.h"

namespace sain::router {

Status answer_models(const ChatTeam& team, ResponseWriter& writer) {
  using nlohmann::ordered_json;
  std::vector<std::string> names = {"auto"};
  for (const std::string& name : team.members().present_names()) names.push_back(name);
  ordered_json data = ordered_json::array();
  for (const std::string& name : names)
    data.push_back({{"id", name}, {"object", "model"}, {"created", 0}, {"owned_by", "sain"}});
  writer.send({.body = to_line({{"object", "list"}, {"data", std::move(data)}}) + "\n"});
  return {};
}

}  // namespace sain::router
