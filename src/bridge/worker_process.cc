#include "bridge/worker_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

#include "base/error.h"
#include "base/interrupt.h"

extern char** environ;

namespace crossload::bridge {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

// Imports this one package: a folder on the search path would make all its neighbours importable, too, among them
// another Transformers.
constexpr const char* kStartFromElsewhere = R"(
import importlib.util, os, runpy, sys
if importlib.util.find_spec("crossload") is None:
    file = os.path.join(sys.argv[1], "__init__.py")
    spec = importlib.util.spec_from_file_location("crossload", file, submodule_search_locations=[sys.argv[1]])
    sys.modules["crossload"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["crossload"])
runpy.run_module("crossload.worker", run_name="__main__")
)";

std::string tail_of(const fs::path& file, std::size_t lines) {
  std::ifstream in(file);
  std::vector<std::string> all;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) all.push_back(line);
  }
  std::string out;
  for (std::size_t i = all.size() > lines ? all.size() - lines : 0; i < all.size(); ++i) out += all[i] + "\n";
  return out;
}

}  // namespace

void WorkerProcess::start() {
  if (environment_.interpreter.empty()) {
    fail(ErrorKind::kEnvironment, "python: no `python3` found; install Python 3.11 or give --python PATH");
  }
  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) {
    fail(ErrorKind::kEnvironment, "python: no pipe to the worker: {}", std::strerror(errno));
  }
  scratch_.emplace();
  error_log_ = scratch_->path() / "worker.log";
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  posix_spawn_file_actions_addopen(&actions, 2, error_log_.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600);
  // A group of its own, so that an interrupt at the terminal reaches it through us, once.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  std::string program = environment_.interpreter.string();
  std::string flag = "-m", what = "crossload.worker", package;
  if (std::error_code ignored; fs::exists(environment_.package_elsewhere / "worker.py", ignored)) {
    flag = "-c";
    what = kStartFromElsewhere;
    package = environment_.package_elsewhere.string();
  }
  char* arguments[] = {program.data(), flag.data(), what.data(), package.empty() ? nullptr : package.data(), nullptr};
  // Its temporary files go with ours, however it ends.
  const std::string temporary = "TMPDIR=" + scratch_->path().string();
  std::vector<char*> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (std::strncmp(*variable, "TMPDIR=", 7) != 0) variables.push_back(*variable);
  }
  variables.push_back(const_cast<char*>(temporary.c_str()));
  variables.push_back(nullptr);
  pid_t pid = -1;
  const int status = ::posix_spawn(&pid, program.c_str(), &actions, &attributes, arguments, variables.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  ::close(in[0]);
  ::close(out[1]);
  to_child_ = in[1];
  from_child_ = out[0];
  pid_ = status == 0 ? pid : -1;
  if (status != 0) {
    fail(ErrorKind::kEnvironment, "python: `{}` cannot be started: {}", program, std::strerror(status));
  }
}

void WorkerProcess::stop() {
  if (const int pid = pid_; pid > 0) ::kill(pid, SIGTERM);
}

WorkerProcess::~WorkerProcess() { end(); }

void WorkerProcess::end() noexcept {
  if (to_child_ >= 0) ::close(to_child_);
  if (pid_ > 0) {
    ::kill(pid_, SIGTERM);
    // Long steps inside PyTorch do not look at signals.
    constexpr int kPatience = 200;  // of 10 ms
    int waited = 0;
    while (::waitpid(pid_, nullptr, WNOHANG) == 0 && ++waited < kPatience) ::usleep(10'000);
    if (waited == kPatience) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }
  if (from_child_ >= 0) ::close(from_child_);
  pid_ = to_child_ = from_child_ = -1;
  buffer_.clear();
}

void WorkerProcess::report_death() {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  const std::string how = WIFSIGNALED(status) ? fmt::format("was killed by signal {}", WTERMSIG(status))
                                              : fmt::format("ended with exit code {}", WEXITSTATUS(status));
  const std::string log = tail_of(error_log_, 5);
  const bool is_missing = log.find("No module named") != std::string::npos;
  std::vector<std::string> details;
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) details.push_back(line);
  throw Error(
      ErrorKind::kEnvironment,
      fmt::format(
          "python: the worker (`{} -m crossload.worker`) {}; {}", environment_.interpreter.string(), how,
          is_missing ? "install the Python package with `pip install .`, or give --python PATH" : "see its last lines"),
      details);
}

std::string WorkerProcess::read_line() {
  while (true) {
    if (const auto end = buffer_.find('\n'); end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    pollfd waiting{from_child_, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, 200);
    throw_if_interrupted();
    if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
    char chunk[65536];
    const ssize_t n = ::read(from_child_, chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) report_death();
    buffer_.append(chunk, static_cast<std::size_t>(n));
  }
}

json WorkerProcess::ask(const json& request, const app::Progress& progress) {
  if (pid_ < 0) start();
  // A request that is abandoned, as after Ctrl-C, ends the worker at once: callers remove the folder that it writes to.
  struct EndUnlessAnswered {
    WorkerProcess& worker;
    bool is_answered = false;
    ~EndUnlessAnswered() {
      if (!is_answered) worker.end();
    }
  } request_under_way{*this};
  const std::string line = request.dump() + "\n";
  std::size_t sent = 0;
  while (sent < line.size()) {
    const ssize_t n = ::write(to_child_, line.data() + sent, line.size() - sent);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) report_death();
    sent += static_cast<std::size_t>(n);
  }
  while (true) {
    const std::string answer = read_line();
    const json event = json::parse(answer, nullptr, false);
    if (!event.is_object() || !event.contains("event") || !event["event"].is_string()) {
      fail(ErrorKind::kEnvironment, "python: `{}` answered `{}`, which is no event of the worker; check --python",
           environment_.interpreter.string(), answer.substr(0, 80));
    }
    const std::string kind = event["event"];
    request_under_way.is_answered = kind == "done" || kind == "error";
    if (kind == "done") return event;
    if (kind == "error") {
      throw Error(error_kind_from(event.value("kind", "")), event.value("message", ""),
                  event.value("details", std::vector<std::string>{}));
    }
    const auto& fraction = event.contains("fraction") ? event.at("fraction") : json();
    progress(event.value("stage", ""), event.value("text", ""), fraction.is_number() ? fraction.get<double>() : -1);
  }
}

}  // namespace crossload::bridge
