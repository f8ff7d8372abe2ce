#include "app/report_files.h"

#include <fstream>
#include <utility>

#include "app/model_files.h"
#include "base/error.h"

namespace crossload::app {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

void write_whole(const fs::path& file, const std::string& text) {
  const fs::path fresh = file.string() + ".new";
  {
    std::ofstream out(fresh, std::ios::binary);
    out << text;
    out.flush();
    if (!out) fail(ErrorKind::kEnvironment, "{}: cannot be written; check space and permissions", file.string());
  }
  fs::rename(fresh, file);
}

bool is_report_against(const fs::path& file) {
  try {
    const json found = read_json(file);
    return found.is_object() && found.contains("against") && found["against"].is_string();
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

void write_report(const report::Report& report, const fs::path& folder) {
  write_whole(folder / "crossload.json",
              report::to_json(report).dump(2, ' ', false, json::error_handler_t::replace) + "\n");
  write_whole(folder / "report.html", report::to_html(report));
}

ReportFolder::ReportFolder(fs::path folder) : folder_(std::move(folder)) {
  std::error_code ignored;
  if (fs::exists(folder_, ignored) && !fs::is_directory(folder_, ignored)) {
    bad_input("{}: is no folder; name one for the report", folder_.string());
  }
  const bool has_json = fs::exists(folder_ / "crossload.json", ignored);
  const bool has_page = fs::exists(folder_ / "report.html", ignored);
  if ((has_json && !is_report_against(folder_ / "crossload.json")) || (has_page && !has_json)) {
    bad_input("{}: holds `{}`, which is no report of `--against`; name another folder", folder_.string(),
              has_json ? "crossload.json" : "report.html");
  }
}

void ReportFolder::write(const report::Report& report) const {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error)
    fail(ErrorKind::kEnvironment, "{}: cannot be made ({}); check permissions", folder_.string(), error.message());
  write_report(report, folder_);
}

}  // namespace crossload::app
