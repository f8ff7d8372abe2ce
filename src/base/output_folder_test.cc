#include "base/output_folder.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "base/error.h"

namespace crossload {
namespace {

namespace fs = std::filesystem;

struct TempFolder {
  TempFolder() {
    std::string pattern = (fs::temp_directory_path() / "crossload_output_XXXXXX").string();
    path = ::mkdtemp(pattern.data());
  }
  ~TempFolder() { fs::remove_all(path); }
  fs::path path;
};

void write_text(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

std::string read_text(const fs::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

int entry_count(const fs::path& folder) {
  return static_cast<int>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

template <typename F>
std::string message_of(ErrorKind kind, F f) {
  try {
    f();
  } catch (const Error& error) {
    CHECK(error.kind() == kind);
    return error.what();
  }
  FAIL("nothing was thrown");
  return {};
}

TEST_CASE("an output folder appears whole at commit") {
  TempFolder temp;
  const fs::path target = temp.path / "a/b/out";
  {
    OutputFolder out(target, false);
    CHECK(out.path().parent_path() == target.parent_path());
    write_text(out.path() / "sub/file", "hello");
    CHECK_FALSE(fs::exists(target));
    out.commit();
    CHECK_FALSE(fs::exists(out.path()));
  }
  CHECK(read_text(target / "sub/file") == "hello");
  CHECK(entry_count(target.parent_path()) == 1);
}

TEST_CASE("an output folder that is not committed leaves nothing") {
  TempFolder temp;
  const fs::path target = temp.path / "out";
  try {
    OutputFolder out(target, false);
    write_text(out.path() / "file", "half");
    throw std::runtime_error("interrupted");
  } catch (const std::runtime_error&) {
  }
  CHECK(entry_count(temp.path) == 0);
}

TEST_CASE("a folder that crossload wrote is replaced, and is whole until then") {
  TempFolder temp;
  const fs::path target = temp.path / "out";
  write_text(target / "crossload.json", "{}");
  write_text(target / "old", "old");
  OutputFolder out(target.string() + "/", false);
  write_text(out.path() / "new", "new");
  CHECK(read_text(target / "old") == "old");
  out.commit();
  CHECK_FALSE(fs::exists(target / "old"));
  CHECK(read_text(target / "new") == "new");
  CHECK(entry_count(temp.path) == 1);
}

TEST_CASE("an empty folder is replaced") {
  TempFolder temp;
  const fs::path target = temp.path / "out";
  fs::create_directory(target);
  OutputFolder out(target, false);
  write_text(out.path() / "new", "new");
  out.commit();
  CHECK(read_text(target / "new") == "new");
}

TEST_CASE("bad: a folder of somebody else, a file, a root are kept") {
  TempFolder temp;
  const fs::path target = temp.path / "out";
  write_text(target / "thesis.txt", "years");
  const std::string message = message_of(ErrorKind::kBadInput, [&] { OutputFolder(target, false); });
  CHECK(message ==
        target.string() + ": holds files that crossload did not write; give another place, or --force to replace it");
  write_text(temp.path / "file", "x");
  message_of(ErrorKind::kBadInput, [&] { OutputFolder(temp.path / "file", true); });
  message_of(ErrorKind::kBadInput, [&] { OutputFolder("/", true); });
  CHECK(read_text(target / "thesis.txt") == "years");
  CHECK(entry_count(temp.path) == 2);
  {
    OutputFolder out(target, true);
    write_text(out.path() / "new", "new");
    out.commit();
  }
  CHECK_FALSE(fs::exists(target / "thesis.txt"));
  CHECK(entry_count(temp.path) == 2);
}

TEST_CASE("bad: somebody puts files in the target's place while it is made") {
  TempFolder temp;
  const fs::path target = temp.path / "out";
  {
    OutputFolder out(target, false);
    write_text(target / "thesis.txt", "years");
    message_of(ErrorKind::kBadInput, [&] { out.commit(); });
  }
  CHECK(read_text(target / "thesis.txt") == "years");
  CHECK(entry_count(temp.path) == 1);
}

TEST_CASE("bad: more space is needed than there is") {
  TempFolder temp;
  OutputFolder out(temp.path / "out", false);
  out.require_free_space(1);
  const std::string message = message_of(ErrorKind::kEnvironment, [&] { out.require_free_space(uint64_t{1} << 60); });
  CHECK(message.find("1152921504606846976") != std::string::npos);
  CHECK(message.find(" bytes free") != std::string::npos);
}

TEST_CASE("the rest of killed runs is removed, that of live ones is not") {
  TempFolder temp;
  const fs::path target = temp.path / "out";
  const pid_t dead = ::fork();
  if (dead == 0) ::_exit(0);
  ::waitpid(dead, nullptr, 0);
  const fs::path killed = temp.path / (".out." + std::to_string(dead) + ".partial");
  const fs::path old = temp.path / (".out." + std::to_string(dead) + ".old.partial");
  const fs::path reused = temp.path / (".out." + std::to_string(::getpid()) + ".partial");
  const fs::path parent = temp.path / (".out." + std::to_string(::getppid()) + ".partial");
  const fs::path other = temp.path / ".out.mine.partial";
  for (const fs::path& p : {killed, old, reused, parent, other}) write_text(p / "file", "x");
  OutputFolder first(target, false);
  CHECK_FALSE(fs::exists(killed));
  CHECK_FALSE(fs::exists(old));
  CHECK(fs::is_empty(reused));  // of an earlier process with our id; now the new partial folder
  CHECK(first.path() == reused);
  CHECK(fs::exists(parent));
  CHECK(fs::exists(other));
  OutputFolder second(target, false);
  CHECK(fs::exists(first.path()));
  CHECK(second.path() != first.path());
}

TEST_CASE("output files take their places in a folder at commit") {
  TempFolder temp;
  write_text(temp.path / "tf_model.h5", "old");
  write_text(temp.path / "config.json", "kept");
  write_text(temp.path / "stale.h5", "old");
  {
    OutputFiles files(temp.path);
    write_text(files.path() / "tf_model.h5", "new");
    write_text(files.path() / "tf_model.h5.index.json", "{}");
    CHECK(read_text(temp.path / "tf_model.h5") == "old");
    files.commit({"tf_model.h5", "stale.h5", "never.h5"});
  }
  CHECK(read_text(temp.path / "tf_model.h5") == "new");
  CHECK(read_text(temp.path / "tf_model.h5.index.json") == "{}");
  CHECK(read_text(temp.path / "config.json") == "kept");
  CHECK(entry_count(temp.path) == 3);
}

TEST_CASE("output files that are not committed leave nothing") {
  TempFolder temp;
  {
    OutputFiles files(temp.path);
    write_text(files.path() / "tf_model.h5", "new");
  }
  CHECK(entry_count(temp.path) == 0);
  CHECK(message_of(ErrorKind::kBadInput, [&] { OutputFiles(temp.path / "none"); }).find("is no folder") !=
        std::string::npos);
}

TEST_CASE("output files: a place that a folder takes is told") {
  TempFolder temp;
  fs::create_directories(temp.path / "tf_model.h5" / "x");
  OutputFiles files(temp.path);
  write_text(files.path() / "tf_model.h5", "new");
  CHECK(message_of(ErrorKind::kEnvironment, [&] { files.commit(); }).find("cannot be renamed") != std::string::npos);
}

}  // namespace
}  // namespace crossload
