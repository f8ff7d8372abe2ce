#include "app/companions.h"

#include <set>
#include <string>
#include <vector>

#include "base/error.h"

namespace crossload::app {

namespace fs = std::filesystem;

bool is_companion(const fs::path& file) {
  static const std::set<std::string> kNames = {
      "vocab.txt",    "merges.txt", "added_tokens.json", "chat_template.jinja", "sentencepiece.bpe.model",
      "spiece.model", "source.spm", "target.spm"};
  const std::string name = file.filename().string();
  const std::string extension = file.extension().string();
  if (name.ends_with(".index.json") || name == "crossload.json") return false;
  return kNames.contains(name) || extension == ".json" || extension == ".model" || name.starts_with("tokenizer") ||
         name.starts_with("vocab") || name == "README.md" || name.starts_with("LICENSE") ||
         name.starts_with("LICENCE") || name.starts_with("NOTICE");
}

namespace {

// Relative to the folder. sentence-transformers keeps a module's settings in a folder of its own.
std::vector<fs::path> companions_in(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::error_code ignored;
    const fs::path name = entry.path().filename();
    if (entry.is_regular_file() && is_companion(entry.path())) {
      found.push_back(name);
    } else if (entry.is_directory() && fs::is_regular_file(entry.path() / "config.json", ignored)) {
      found.push_back(name / "config.json");
    }
  }
  return found;
}

}  // namespace

void copy_companions(const fs::path& from, const fs::path& to) try {
  for (const fs::path& file : companions_in(from)) {
    fs::create_directories((to / file).parent_path());
    fs::copy_file(from / file, to / file, fs::copy_options::overwrite_existing);
  }
} catch (const fs::filesystem_error& error) {
  fail(ErrorKind::kEnvironment, "{}: cannot be copied: {}; check space and permissions",
       error.path1().empty() ? from.string() : error.path1().string(), error.code().message());
}

uint64_t size_of_companions(const fs::path& folder) try {
  uint64_t bytes = 0;
  for (const fs::path& file : companions_in(folder)) bytes += fs::file_size(folder / file);
  return bytes;
} catch (const fs::filesystem_error& error) {
  fail(ErrorKind::kEnvironment, "{}: cannot be read: {}; check permissions",
       error.path1().empty() ? folder.string() : error.path1().string(), error.code().message());
}

}  // namespace crossload::app
