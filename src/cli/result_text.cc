#include "cli/result_text.h"

#include <fmt/format.h>

#include <filesystem>
#include <vector>

#include "cli/plain_text.h"

namespace crossload::cli {
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

std::string check_text(const json& found) {
  std::string text;
  const auto print = [&](const char* label, const std::string& value) {
    if (!value.empty()) text += fmt::format("{:<16}{}\n", label, value);
  };
  print("model", found.value("model", ""));
  print("model type", found.value("model_type", ""));
  print("class", found.value("class", ""));
  print("route", fmt::format("{} ({})", found.value("route", ""), found.value("why", "")));
  print("TF weights", found.value("tf_weights", std::vector<std::string>{}).empty()
                          ? "none"
                          : fmt::format("{}", fmt::join(found.value("tf_weights", std::vector<std::string>{}), ", ")));
  print("size", fmt::format("{:.1f} MB of weights", found.value("weight_bytes", 0.0) / 1e6));
  const auto lacking = found.value("missing_weights", std::vector<std::string>{});
  if (!lacking.empty()) {
    print("weights", fmt::format("{} missing, such as `{}`", lacking.size(), plain_text(lacking.front())));
  }
  const auto missing = found.value("missing_ops", json::array());
  print("operations", missing.empty() ? "all supported" : fmt::format("{} missing", missing.size()));
  for (const auto& op : missing)
    text += fmt::format("{:<16}{} ({} uses)\n", "", op.at("op").get<std::string>(), op.at("uses").get<int>());
  const std::string refused = text_of(found, "refused");
  print("convert", refused.empty() ? "works" : "refuses: " + refused);
  for (const auto& link : found.value("links", std::vector<std::string>{})) print("look first", link);
  return text;
}

std::string push_text(const json& result, bool color) {
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

std::string pt_to_tf_text(const json& result, bool color, bool verbose) {
  const auto shown = [](const json& value) {
    return value.is_number() ? fmt::format("{:.3e}", value.get<double>()) : "infinite";
  };
  const auto& figures = result.at("figures");
  const std::string tf_class = result.value("tf_class", "");
  std::string text =
      fmt::format("{}✓{} {}  {}{} against {}\n", color ? "\x1b[32m" : "", color ? "\x1b[0m" : "",
                  result.value("verdict", ""), result.value("kept", false) ? "weights that are there, " : "",
                  result.value("class", ""), tf_class.empty() ? "our SavedModel" : tf_class);
  text += fmt::format("  {:<28}{:>12}{:>16}\n", "largest difference, weights", "outputs", "hidden states");
  for (const auto& [label, when] :
       {std::pair{"cross-loaded from PyTorch", "crossload"}, {"loaded from tf_model.h5", "conversion"}}) {
    text += fmt::format("  {:<28}{:>12}{:>16}\n", label, shown(figures.at(fmt::format("{}_output", when))),
                        shown(figures.at(fmt::format("{}_hidden", when))));
  }
  text += fmt::format("  limit {:.1e}; {} at padded positions, which do not count\n", result.at("limit").get<double>(),
                      shown(result.at("padded_error")));
  if (verbose) {
    for (const auto& output : result.at("outputs")) {
      text += fmt::format("  {:<28}{:>12}{:>16}{}\n", plain_text(output.value("name", "")),
                          shown(output.at("crossload_error")), shown(output.at("conversion_error")),
                          output.value("within_noise", false) ? "  within noise" : "");
    }
  }
  for (const auto& note : result.at("notes")) text += fmt::format("  note: {}\n", plain_text(note.get<std::string>()));
  for (const auto& file : result.at("files")) {
    text += (std::filesystem::path(result.value("local_dir", "")) / file.get<std::string>()).string() + "\n";
  }
  if (result.at("push").is_object()) text += push_text(result.at("push"), color);
  return text;
}

std::string port_text(const json& result, bool color, bool verbose) {
  const std::string verdict = text_of(result, "verdict");
  const bool is_good = verdict == "verified" || verdict == "within-noise";
  std::string text;
  if (!result.at("written").get<bool>()) {
    if (!result.contains("into")) {
      text = plain_lines(result.at("text").get<std::string>());
    } else {
      for (const json& file : result.at("into").at("files")) text += plain_lines(file.value("diff", ""));
    }
    return text + fmt::format("# would be written to {}\n", plain_text(text_of(result, "file")));
  }
  text += fmt::format("{}{}{} {}", color ? (is_good ? "\x1b[32m" : "\x1b[33m") : "", is_good ? "✓" : "·",
                      color ? "\x1b[0m" : "", verdict);
  if (result.at("max_error").is_number()) {
    text +=
        fmt::format("  max |pt - tf| {:.3e}, limit {:.1e}, {} outputs compared", result.at("max_error").get<double>(),
                    result.at("limit").get<double>(), result.at("rows").size());
  }
  text += fmt::format("\n  file     {}, {} lines\n", plain_text(text_of(result, "file")),
                      result.at("lines").get<int64_t>());
  std::string classes;
  for (const json& one : result.at("classes")) classes += (classes.empty() ? "" : ", ") + one.get<std::string>();
  text += fmt::format("  classes  {}\n", classes);
  for (const char* key : {"missing", "unexpected"}) {
    for (const json& one : result.at(key)) text += fmt::format("  {:<9}{}\n", key, plain_text(one.get<std::string>()));
  }
  for (const json& head : result.at("heads")) {
    const std::string error =
        head.at("max_error").is_number() ? fmt::format(", {:.3e}", head.at("max_error").get<double>()) : "";
    text += fmt::format("  {:<9} {}{}\n", text_of(head, "verdict"), text_of(head, "class"), error);
  }
  const double limit = result.at("limit").get<double>();
  for (const json& row : result.at("rows")) {
    const bool is_over = !row.at("error").is_number() || row.at("error").get<double>() > limit;
    if (!is_over && !verbose) continue;
    const std::string error =
        row.at("error").is_number()
            ? fmt::format("{:.3e}", row.at("error").get<double>())
            : plain_text(row.value("reason", "not the same shapes, or not finite in the same places"));
    text += fmt::format("  {:<9}{} {} at {} ({}): {}\n", is_over ? "over" : "output", text_of(row, "class"),
                        text_of(row, "name"), row.at("shape").dump(), text_of(row, "case"), error);
  }
  for (const json& note : result.at("notes"))
    text += fmt::format("  note     {}\n", plain_text(note.get<std::string>()));
  if (result.contains("into")) {
    for (const json& file : result.at("into").at("files"))
      text += fmt::format("  changed  {}\n", plain_text(text_of(file, "path")));
    for (const json& entry : result.at("into").at("skipped"))
      text += fmt::format("  skipped  {}\n", plain_text(entry.get<std::string>()));
  }
  return text;
}

}  // namespace crossload::cli
