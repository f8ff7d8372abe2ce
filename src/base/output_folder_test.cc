#include "base/output_folder.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "base/output_files.h"
#include "support/errors.h"
#include "support/kill_at_rename.h"
#include "support/temp_folder.h"

namespace crossload {
namespace {

namespace fs = std::filesystem;

void write_text(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

int entry_count(const fs::path& folder) {
  return static_cast<int>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
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
  CHECK(read_bytes(target / "sub/file") == "hello");
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

// An earlier result as its marker lists it, a path a line; what starts with `!` was changed since.
std::optional<EarlierOutput> listed_in_marker(const fs::path& folder) {
  std::ifstream in(folder / "marker");
  if (!in) return std::nullopt;
  EarlierOutput earlier;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with('!')) {
      earlier.changed.push_back(line.substr(1));
    } else {
      earlier.ours.insert(line);
    }
  }
  return earlier;
}

fs::path earlier_output(const fs::path& target) {
  write_text(target / "marker", "marker\nold\nsub/old\n");
  write_text(target / "old", "old");
  write_text(target / "sub/old", "old");
  return target;
}

TEST_CASE("an earlier result is replaced, and is whole until then") {
  TempFolder temp;
  const fs::path target = earlier_output(temp.path / "out");
  OutputFolder out(target.string() + "/", false, listed_in_marker);
  write_text(out.path() / "new", "new");
  CHECK(read_bytes(target / "old") == "old");
  out.commit();
  CHECK(entry_count(target) == 1);
  CHECK(read_bytes(target / "new") == "new");
  CHECK(entry_count(temp.path) == 1);
}

TEST_CASE("what others put into an earlier result stays: files, links, empty folders, and their modes") {
  for (const bool force : {false, true}) {
    TempFolder temp;
    const fs::path target = earlier_output(temp.path / "out");
    write_text(target / "notes.txt", "mine");
    write_text(target / "sub/tf_model.h5", "weights");
    write_text(target / ".git/HEAD", "ref");
    fs::create_directories(target / ".git/refs/tags");
    fs::permissions(target / ".git", fs::perms::owner_all);
    fs::permissions(target / "notes.txt", fs::perms::owner_read);
    fs::create_symlink("nowhere", target / "link");
    struct stat before {
    }, after{};
    REQUIRE(::stat((target / "notes.txt").c_str(), &before) == 0);
    OutputFolder out(target, force, listed_in_marker);
    write_text(out.path() / "sub/new", "new");
    write_text(target / "late.txt", "came while it was made");
    out.commit();
    REQUIRE(::stat((target / "notes.txt").c_str(), &after) == 0);
    CHECK(before.st_ino == after.st_ino);  // the file itself, not a copy
    CHECK(after.st_nlink == 1);
    CHECK(read_bytes(target / "sub/tf_model.h5") == "weights");
    CHECK(read_bytes(target / ".git/HEAD") == "ref");
    CHECK(fs::is_directory(target / ".git/refs/tags"));
    CHECK(fs::status(target / ".git").permissions() == fs::perms::owner_all);
    CHECK(fs::read_symlink(target / "link") == "nowhere");
    CHECK(read_bytes(target / "late.txt") == "came while it was made");
    CHECK(read_bytes(target / "sub/new") == "new");
    CHECK_FALSE(fs::exists(target / "sub/old"));
    CHECK_FALSE(fs::exists(target / "old"));
    CHECK(entry_count(temp.path) == 1);
  }
}

TEST_CASE("bad: a file of somebody else has the name of a new one") {
  TempFolder temp;
  const fs::path target = earlier_output(temp.path / "out");
  write_text(target / "config.json", "mine");
  {
    OutputFolder out(target, false, listed_in_marker);
    write_text(out.path() / "config.json", "ours");
    const std::string message = message_of(ErrorKind::kBadInput, [&] { out.commit(); });
    CHECK(message.starts_with((target / "config.json").string() + ": is not crossload's"));
  }
  CHECK(read_bytes(target / "config.json") == "mine");
  CHECK(read_bytes(target / "old") == "old");
  {
    OutputFolder same(target, false, listed_in_marker);
    write_text(same.path() / "config.json", "mine");
    same.commit();
  }
  CHECK_FALSE(fs::exists(target / "old"));
  earlier_output(target);
  OutputFolder forced(target, true, listed_in_marker);
  write_text(forced.path() / "config.json", "ours");
  forced.commit();
  CHECK(read_bytes(target / "config.json") == "ours");
  CHECK(entry_count(temp.path) == 1);
}

TEST_CASE("bad: somebody changed a file of an earlier result") {
  TempFolder temp;
  const fs::path target = earlier_output(temp.path / "out");
  write_text(target / "marker", "marker\n!old\n!sub/old\n");
  CHECK(message_of(ErrorKind::kBadInput, [&] {
          OutputFolder(target, false, listed_in_marker);
        }).find("`old` and 1 more were changed since crossload wrote it") != std::string::npos);
  CHECK(entry_count(temp.path) == 1);
  OutputFolder out(target, true, listed_in_marker);
  write_text(out.path() / "new", "new");
  out.commit();
  CHECK(entry_count(target) == 1);
}

TEST_CASE("bad: two runs write into one folder") {
  TempFolder temp;
  const fs::path target = earlier_output(temp.path / "out");
  {
    OutputFolder first(target, false, listed_in_marker);
    CHECK(message_of(ErrorKind::kEnvironment, [&] {
            OutputFolder(target, false, listed_in_marker);
          }).find("another run is writing there") != std::string::npos);
    message_of(ErrorKind::kEnvironment, [&] { OutputFiles{target}; });
  }
  OutputFiles files(target);
  message_of(ErrorKind::kEnvironment, [&] { OutputFolder(target, false, listed_in_marker); });
}

TEST_CASE("bad: two runs make the same new folder; the second is told") {
  TempFolder temp;
  const fs::path target = temp.path / "out";
  OutputFolder first(target, true, listed_in_marker), second(target, true, listed_in_marker);
  write_text(first.path() / "marker", "marker\n");
  write_text(second.path() / "marker", "");
  first.commit();
  CHECK(message_of(ErrorKind::kBadInput, [&] { second.commit(); }).find("another run put something there") !=
        std::string::npos);
  CHECK(read_bytes(target / "marker") == "marker\n");
}

TEST_CASE("a folder that a killed run had set aside is put back") {
  TempFolder temp;
  const fs::path target = temp.path / "out";
  const pid_t dead = ::fork();
  if (dead == 0) ::_exit(0);
  ::waitpid(dead, nullptr, 0);
  earlier_output(temp.path / (".out." + std::to_string(dead) + ".old.partial"));
  write_text(temp.path / (".out." + std::to_string(dead) + ".partial") / "new", "new");
  { OutputFolder out(target, false, listed_in_marker); }
  CHECK(read_bytes(target / "old") == "old");
  CHECK(entry_count(temp.path) == 1);
}

TEST_CASE("one of two results is there whole, and what others put beside it, wherever the run is killed") {
  for (const Exchange exchange : {Exchange::kWorks, Exchange::kMissing}) {
    bool was_killed = true;
    for (int n = 1; was_killed; ++n) {
      REQUIRE(n < 10);
      CAPTURE(n);
      TempFolder temp;
      const fs::path target = earlier_output(temp.path / "out");
      write_text(target / "notes.txt", "mine");
      was_killed = kill_at_rename(
          n,
          [&] {
            OutputFolder out(target, false, listed_in_marker);
            write_text(out.path() / "marker", "marker\nnew\n");
            write_text(out.path() / "new", "new");
            out.commit();
          },
          exchange);
      // The next run, though it fails.
      try {
        OutputFolder next(target, false, listed_in_marker);
        throw std::runtime_error("no such model");
      } catch (const std::runtime_error&) {
      }
      CHECK(read_bytes(target / "notes.txt") == "mine");
      const bool is_new = read_bytes(target / "new") == "new";
      CHECK(is_new != (read_bytes(target / "old") == "old" && read_bytes(target / "sub/old") == "old"));
      CHECK(is_new == !was_killed);
      CHECK(entry_count(temp.path) == 1);
    }
  }
}

TEST_CASE("a target that is the source, holds it or lies in it is refused") {
  TempFolder temp;
  const fs::path model = temp.path / "models/bert";
  write_text(model / "config.json", "{}");
  fs::create_symlink("models", temp.path / "link");
  for (const fs::path& target : {model, model / "", temp.path / "models", temp.path, model / "tf/out",
                                 temp.path / "link/bert", temp.path / "link", model / "../bert"}) {
    CAPTURE(target);
    CHECK(message_of(ErrorKind::kBadInput, [&] { require_apart(target, model); }).find("which is read") !=
          std::string::npos);
    CHECK_NOTHROW(require_apart(target, temp.path / "no-such-model"));
  }
  for (const fs::path& target : {temp.path / "models/bert2", temp.path / "models/ber", temp.path / "out"}) {
    CHECK_NOTHROW(require_apart(target, model));
  }
  message_of(ErrorKind::kBadInput, [&] { require_apart(temp.path / "models", model / "config.json"); });
  CHECK_NOTHROW(require_apart(temp.path / "models/out", model / "config.json"));
}

TEST_CASE("an empty folder is replaced") {
  TempFolder temp;
  const fs::path target = temp.path / "out";
  fs::create_directory(target);
  OutputFolder out(target, false);
  write_text(out.path() / "new", "new");
  out.commit();
  CHECK(read_bytes(target / "new") == "new");
}

TEST_CASE("bad: a folder of somebody else, a file, a root are kept") {
  TempFolder temp;
  const fs::path target = temp.path / "out";
  write_text(target / "thesis.txt", "years");
  const std::string message = message_of(ErrorKind::kBadInput, [&] { OutputFolder(target, false); });
  CHECK(message ==
        target.string() + ": holds files that crossload did not write; choose another path, or --force to replace it");
  write_text(temp.path / "file", "x");
  message_of(ErrorKind::kBadInput, [&] { OutputFolder(temp.path / "file", true); });
  message_of(ErrorKind::kBadInput, [&] { OutputFolder("/", true); });
  CHECK(read_bytes(target / "thesis.txt") == "years");
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
  CHECK(read_bytes(target / "thesis.txt") == "years");
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
  const fs::path target = earlier_output(temp.path / "out");
  const pid_t dead = ::fork();
  if (dead == 0) ::_exit(0);
  ::waitpid(dead, nullptr, 0);
  const fs::path killed = temp.path / (".out." + std::to_string(dead) + ".partial");
  const fs::path old = temp.path / (".out." + std::to_string(dead) + ".old.partial");
  const fs::path reused = temp.path / (".out." + std::to_string(::getpid()) + ".partial");
  const fs::path parent = temp.path / (".out." + std::to_string(::getppid()) + ".partial");
  const fs::path other = temp.path / ".out.mine.partial";
  for (const fs::path& p : {killed, old, reused, parent, other}) write_text(p / "file", "x");
  const OutputFolder first(target, false, listed_in_marker);
  CHECK_FALSE(fs::exists(killed));
  CHECK_FALSE(fs::exists(old));
  CHECK(fs::is_empty(reused));  // of an earlier process with our id; now the new partial folder
  CHECK(first.path() == reused);
  CHECK(fs::exists(parent));
  CHECK(fs::exists(other));
  fs::remove_all(target);
  const OutputFolder second(target, false);
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
    CHECK(read_bytes(temp.path / "tf_model.h5") == "old");
    files.commit({"tf_model.h5", "stale.h5", "never.h5"});
  }
  CHECK(read_bytes(temp.path / "tf_model.h5") == "new");
  CHECK(read_bytes(temp.path / "tf_model.h5.index.json") == "{}");
  CHECK(read_bytes(temp.path / "config.json") == "kept");
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

TEST_CASE("output files: a folder that has the name of an output file is an error") {
  TempFolder temp;
  fs::create_directories(temp.path / "tf_model.h5" / "x");
  OutputFiles files(temp.path);
  write_text(temp.path / "a.h5", "old");
  write_text(files.path() / "a.h5", "new");
  write_text(files.path() / "tf_model.h5", "new");
  CHECK(message_of(ErrorKind::kEnvironment, [&] { files.commit(); }).find("is a folder") != std::string::npos);
  CHECK(read_bytes(temp.path / "a.h5") == "old");
}

TEST_CASE("output files: what a killed run had begun to move is moved by the next") {
  TempFolder temp;
  // Killed after the index was taken away and the first of two shards was in its place.
  write_text(temp.path / "1.h5", "new");
  write_text(temp.path / "2.h5", "old");
  write_text(temp.path / ".crossload.commit/2.h5", "new");
  write_text(temp.path / ".crossload.commit/x.index.json", "new");
  write_text(temp.path / ".crossload.commit/.old/x.index.json", "old");
  { OutputFiles files(temp.path); }
  for (const char* name : {"1.h5", "2.h5", "x.index.json"}) CHECK(read_bytes(temp.path / name) == "new");
  CHECK(entry_count(temp.path) == 3);
}

TEST_CASE("output files: an index never names shards of two runs, wherever the run is killed") {
  for (int n = 1; n < 20; ++n) {
    TempFolder temp;
    for (const char* name : {"1.h5", "2.h5", "x.index.json", "config.json"}) write_text(temp.path / name, "old");
    const bool was_killed = kill_at_rename(n, [&] {
      OutputFiles files(temp.path);
      for (const char* name : {"1.h5", "2.h5", "x.index.json", "config.json"}) write_text(files.path() / name, "new");
      files.commit();
    });
    CAPTURE(n);
    const std::string index = read_bytes(temp.path / "x.index.json");
    for (const char* name : {"1.h5", "2.h5"}) {
      if (!index.empty()) CHECK(read_bytes(temp.path / name) == index);
    }
    { OutputFiles next(temp.path); }
    const std::string first = read_bytes(temp.path / "1.h5");
    for (const char* name : {"1.h5", "2.h5", "x.index.json"}) CHECK(read_bytes(temp.path / name) == first);
    CHECK(first == (n == 1 ? "old" : "new"));
    if (!was_killed) {
      CHECK(n > 5);
      return;
    }
  }
  FAIL("no run came to its end");
}

}  // namespace
}  // namespace crossload
