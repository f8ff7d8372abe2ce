#include "app/push.h"

#include <fmt/format.h>

#include "app/plain_text.h"

namespace crossload::app {
using nlohmann::json;

namespace {

std::string counted(std::size_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string text_of(const json& result, const char* key) {
  const auto found = result.find(key);
  return found != result.end() && found->is_string() ? plain_text(found->get<std::string>()) : "";
}

}  // namespace

json push(const PushRequest& request, PythonSide& python, const Progress& progress) {
  json result = python.ask({{"do", "push"},
                            {"out", request.out.string()},
                            {"repo", request.repository},
                            {"message", or_null(request.message)},
                            {"revision", or_null(request.revision)},
                            {"token", or_null(request.token)},
                            {"pr", request.pull_request},
                            {"offline", request.offline}},
                           progress);
  result.erase("event");
  return result;
}

std::string pushed_text(const json& result, bool color) {
  const std::string pull_request = text_of(result, "pull_request");
  const bool changed = !result.at("uploaded").empty() || !result.at("deleted").empty();
  const bool sent = result.value("sent", false);
  const std::string what = !changed                ? "nothing to send"
                           : !sent                 ? "would be sent"
                           : !pull_request.empty() ? "pull request"
                                                   : "committed";
  std::string text = fmt::format("{}{}{} {}  {}\n", color && (sent || !changed) ? "\x1b[32m" : "",
                                 sent || !changed ? "✓" : "·", color && (sent || !changed) ? "\x1b[0m" : "", what,
                                 pull_request.empty() ? text_of(result, "url") : pull_request);
  const auto line = [&](const char* label, const std::string& value) {
    if (!value.empty()) text += fmt::format("  {:<9}{}\n", label, value);
  };
  line("title", changed ? text_of(result, "title") : "");
  line("verdict", text_of(result, "verdict"));
  std::string files = fmt::format("{}, {:.1f} MB", counted(result.at("uploaded").size(), "file"),
                                  result.at("bytes").get<double>() / 1e6);
  if (const auto n = result.at("deleted").size(); n > 0) files += fmt::format(", {} removed", n);
  if (const auto n = result.at("unchanged").size(); n > 0) files += fmt::format(", {} there already", n);
  line("files", files);
  if (result.value("created", false)) line("new", "the repository was created");
  for (const auto& note : result.at("notes")) line("note", plain_text(note.get<std::string>()));
  return text;
}

}  // namespace crossload::app
