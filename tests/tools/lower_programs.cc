// Converts `.pt2` files without verifying them: a small `crossload convert --no-verify` for tests/ops, which has
// thousands of programs to convert in one process.
//
//   lower_programs --table    the op table, one `target<TAB>family<TAB>schema` a line
//   lower_programs --print X  a program, and its graph after the passes, as text
//   lower_programs            reads lines `program.pt2<TAB>folder`, writes a SavedModel into each folder, and answers
//   each
//                             with one line: `ok`, or `error<TAB>message`, details after further tabs
#include <filesystem>
#include <iostream>
#include <string>

#include "base/error.h"
#include "graph/graph.h"
#include "lower/lower.h"
#include "lower/op_table.h"
#include "lower/passes/passes.h"
#include "program/program.h"
#include "savedmodel/saved_model.h"

namespace {

using namespace crossload;

class ArchivedWeights : public savedmodel::WeightSource {
 public:
  explicit ArchivedWeights(const program::Program& program) : program_(program) {}
  Tensor tensor(const std::string& source) const override { return program_.data.at(source); }

 private:
  const program::Program& program_;
};

graph::Graph lowered(const program::Program& program) {
  graph::Graph graph = lower::lower(program);
  lower::run_passes(graph);
  graph::check(graph);
  return graph;
}

std::string on_one_line(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\t') c = ' ';
  }
  return text;
}

void print_table() {
  for (const auto* entry : lower::OpTable::all().sorted()) {
    std::cout << entry->schema.target << '\t' << entry->family << '\t' << entry->schema.text << '\n';
  }
}

std::string convert(const std::string& file, const std::string& folder) {
  try {
    const program::Program program = program::read_pt2(file);
    savedmodel::write(lowered(program), ArchivedWeights(program), folder, {}, [](std::size_t) {});
    return "ok";
  } catch (const Error& error) {
    std::string answer = "error\t" + on_one_line(error.what());
    for (const auto& detail : error.details()) answer += "\t" + on_one_line(detail);
    return answer;
  } catch (const std::exception& error) {
    return "error\t" + on_one_line(error.what());
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string option = argc > 1 ? argv[1] : "";
  if (option == "--table") {
    print_table();
    return 0;
  }
  if (option == "--print" && argc == 3) {
    const program::Program program = program::read_pt2(argv[2]);
    std::cout << program::print(program) << "---\n" << graph::print(lowered(program));
    return 0;
  }
  for (std::string line; std::getline(std::cin, line);) {
    const std::size_t tab = line.find('\t');
    std::cout << convert(line.substr(0, tab), line.substr(tab + 1)) << std::endl;
  }
  return 0;
}
