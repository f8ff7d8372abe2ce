// The page is page.html with the report's data in it as JSON. Its script builds everything else as text nodes, so that
// nothing that comes from a model is ever read as markup.
#include <fmt/format.h>

#include "report/page.h"
#include "report/report.h"
#include "report/shapes_tried.h"

namespace crossload::report {
namespace {

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '"': result += "&quot;"; break;
      case '\'': result += "&#39;"; break;
      default: result += c;
    }
  }
  return result;
}

/// In JSON `<` stands only inside strings; written this way it can neither end the script nor open a comment.
std::string script_safe(const std::string& json) {
  std::string result;
  for (const char c : json) {
    if (c == '<') {
      result += "\\u003c";
    } else {
      result += c;
    }
  }
  return result;
}

void replace_once(std::string& text, std::string_view mark, const std::string& value) {
  const std::size_t at = text.find(mark);
  if (at != std::string::npos) text.replace(at, mark.size(), value);
}

}  // namespace

std::string to_html(const Report& report) {
  nlohmann::ordered_json data = to_json(report);
  // What the page shows beyond crossload.json.
  const auto shapes = shapes_tried(report);
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    data["shapes"][i]["label"] = shapes[i].label;
    data["shapes"][i]["signature"] = shapes[i].signature;
  }
  for (std::size_t i = 0; i < report.result.stages.size(); ++i) {
    data["stages"][i]["depth"] = report.result.stages[i].depth;
  }
  const std::string verdict(verify::name_of(report.result.verdict));
  const std::string json = script_safe(data.dump(-1, ' ', false, nlohmann::detail::error_handler_t::replace));
  // Marks are found before anything of the model is put in.
  std::string page(kPage);
  replace_once(page, "{{verdict}}", verdict);
  const std::size_t title = page.find("{{title}}");
  const std::size_t body = page.find("{{data}}");
  if (title == std::string::npos || body == std::string::npos) return page;
  return page.substr(0, title) + escaped(data["model"].get<std::string>()) + page.substr(title + 9, body - title - 9) +
         json + page.substr(body + 8);
}

}  // namespace crossload::report
