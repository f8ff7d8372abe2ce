#include "app/companions.h"

#include <set>
#include <string>

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

void copy_companions(const fs::path& from, const fs::path& to) try {
  for (const auto& entry : fs::directory_iterator(from)) {
    std::error_code ignored;
    if (entry.is_regular_file() && is_companion(entry.path())) {
      fs::copy_file(entry.path(), to / entry.path().filename(), fs::copy_options::overwrite_existing);
    } else if (entry.is_directory() && fs::is_regular_file(entry.path() / "config.json", ignored)) {
      // sentence-transformers keeps a module's settings in a folder of its own.
      fs::create_directories(to / entry.path().filename());
      fs::copy_file(entry.path() / "config.json", to / entry.path().filename() / "config.json",
                    fs::copy_options::overwrite_existing);
    }
  }
} catch (const fs::filesystem_error& error) {
  fail(ErrorKind::kEnvironment, "{}: cannot be copied: {}; check space and permissions",
       error.path1().empty() ? from.string() : error.path1().string(), error.code().message());
}

uint64_t size_of_companions(const fs::path& folder) {
  uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const bool is_copied = entry.is_regular_file(error) && is_companion(entry.path());
    const uint64_t size = is_copied                   ? entry.file_size(error)
                          : entry.is_directory(error) ? fs::file_size(entry.path() / "config.json", error)
                                                      : 0;
    if (!error) bytes += size;
  }
  return bytes;
}

}  // namespace crossload::app
