#include "app/earlier_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/crc32c.h"
#include "base/error.h"
#include "base/mapped_file.h"

namespace crossload::app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Always ours, and renewed by `crossload verify`: they are not in the list.
constexpr std::array<const char*, 2> kReports = {"crossload.json", "report.html"};

// The bytes of the weights. Storing others there changes the index beside them, which has their checksums.
bool holds_weights(const fs::path& file) { return file.filename().string().starts_with("variables.data-"); }

uint32_t checksum(const fs::path& file) {
  if (fs::file_size(file) == 0) return 0;
  return crc32c(MappedFile::open(file)->bytes());
}

bool is_as_written(const fs::path& path, const report::File& file) try {
  return fs::is_regular_file(fs::symlink_status(path)) && fs::file_size(path) == file.bytes &&
         (!file.crc32c || checksum(path) == *file.crc32c);
} catch (const std::exception&) {  // it cannot be read, or is gone by now
  return false;
}

json report_in(const fs::path& folder) {
  std::ifstream in(folder / "crossload.json", std::ios::binary);
  return in ? json::parse(in, nullptr, false) : json();
}

std::vector<report::File> listed(const json& report) {
  std::vector<report::File> files;
  if (!report.is_object() || !report.contains("files") || !report["files"].is_array()) return files;
  for (const json& item : report["files"]) {
    if (!item.is_object() || !item.contains("path") || !item["path"].is_string()) continue;
    report::File& file = files.emplace_back();
    file.path = item["path"];
    if (item.contains("bytes") && item["bytes"].is_number_unsigned()) file.bytes = item["bytes"];
    if (item.contains("crc32c") && item["crc32c"].is_number_unsigned()) file.crc32c = item["crc32c"].get<uint32_t>();
  }
  return files;
}

void for_each_file(const fs::path& folder, const std::function<void(const fs::path&, std::string)>& use) {
  std::error_code ignored;
  for (fs::recursive_directory_iterator it(folder, ignored), end; it != end; it.increment(ignored)) {
    if (!it->is_directory(ignored)) use(it->path(), it->path().lexically_relative(folder).generic_string());
  }
}

}  // namespace

std::vector<report::File> files_in(const fs::path& folder) {
  std::vector<report::File> files;
  for_each_file(folder, [&](const fs::path& path, std::string name) {
    report::File& file = files.emplace_back();
    file.path = std::move(name);
    file.bytes = fs::file_size(path);
    if (!holds_weights(path)) file.crc32c = checksum(path);
  });
  std::ranges::sort(files, {}, &report::File::path);
  return files;
}

std::vector<report::File> listed_files(const fs::path& folder) { return listed(report_in(folder)); }

std::string model_listed(const fs::path& folder) {
  const json report = report_in(folder);
  const auto text = [&](const char* key) {
    return report.is_object() && report.contains(key) && report[key].is_string() ? report[key].get<std::string>() : "";
  };
  const std::string name = text("model"), of_class = text("class");
  return name.empty() || of_class.empty() ? name : fmt::format("{} ({})", name, of_class);
}

std::optional<EarlierOutput> read_earlier_output(const fs::path& folder) {
  const json report = report_in(folder);
  if (!report.is_object() || !report.contains("verdict") || !report.contains("model")) return std::nullopt;
  EarlierOutput earlier;
  earlier.ours.insert(kReports.begin(), kReports.end());
  if (!report.contains("files")) {
    for_each_file(folder / "saved_model",
                  [&](const fs::path&, const std::string& name) { earlier.ours.insert("saved_model/" + name); });
    return earlier;
  }
  std::error_code ignored;
  for (const report::File& file : listed(report)) {
    const fs::path path = folder / file.path;
    if (is_as_written(path, file)) {
      earlier.ours.insert(file.path);
    } else if (fs::exists(fs::symlink_status(path, ignored))) {
      earlier.changed.push_back(file.path);
    }
  }
  return earlier;
}

}  // namespace crossload::app
