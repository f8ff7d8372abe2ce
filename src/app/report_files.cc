#include "app/report_files.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace crossload::app {
namespace fs = std::filesystem;

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

}  // namespace

void write_report(const report::Report& report, const fs::path& folder) {
  write_whole(folder / "crossload.json",
              report::to_json(report).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  write_whole(folder / "report.html", report::to_html(report));
}

}  // namespace crossload::app
