#include "checkpoint/pickle.h"

#include "support/test_file.h"

namespace crossload {
namespace {

using namespace std::string_literals;

Pickle parsed(const std::string& text) {
  return Pickle::read(std::as_bytes(std::span(text)), "x.pt2",
                      [](std::string_view name) { return name == "a.f" || name == "collections.OrderedDict"; });
}

std::string refusal(const std::string& text) {
  return error_from("x.pt2", [&] { parsed(text); });
}

TEST_CASE("a call is kept as it stands") {
  // pickle.dumps of {'k': f(1, -2)}, protocol 2
  const Pickle pickle = parsed("\x80\x02}q\x00X\x01\x00\x00\x00kca\nf\nK\x01J\xfe\xff\xff\xff\x86Rs."s);
  const Pickle::Value root = pickle.root();
  REQUIRE(root.is(Pickle::Kind::kDict));
  REQUIRE(root.size() == 2);
  CHECK(root[0].text() == "k");
  CHECK(root[1].is(Pickle::Kind::kCall));
  CHECK(root[1].text() == "a.f");
  CHECK(root[1][0].integer() == 1);
  CHECK(root[1][1].integer() == -2);
  CHECK(root[1].description() == "a call of `a.f`");
}

TEST_CASE("an OrderedDict is a dict, and its attributes are left out") {
  const Pickle pickle = parsed(
      "\x80\x02"
      "ccollections\nOrderedDict\n)R(X\x01\x00\x00\x00kNu}b."s);
  CHECK(pickle.root().is(Pickle::Kind::kDict));
  CHECK(pickle.root()[1].is(Pickle::Kind::kNone));
}

TEST_CASE("what follows STOP is not touched") { CHECK(parsed("\x80\x02N.rest"s).size() == 4); }

TEST_CASE("long integers up to 8 bytes") {
  CHECK(parsed("\x80\x02\x8a\x02\xff\x00."s).root().integer() == 255);
  CHECK(parsed("\x80\x02\x8a\x01\xff."s).root().integer() == -1);
  CHECK(parsed("\x80\x02\x8a\x00."s).root().integer() == 0);
  CHECK(has(refusal("\x80\x02\x8a\x09\x01\x01\x01\x01\x01\x01\x01\x01\x01."s), "an integer has 9 bytes"));
}

TEST_CASE("bad: globals and opcodes that weights do not need") {
  CHECK(has(refusal("\x80\x02"
                    "cos\nsystem\n."s),
            "x.pt2 @ 0x2: asks for `os.system`, which weights do not need"));
  CHECK(has(refusal("\x80\x04\x8c\x02os\x8c\x06system\x93."s), "asks for `os.system`"));
  CHECK(has(refusal("\x80\x02(i."s), "opcode 0x69 is not needed for weights; nothing of it was run"));
  CHECK(has(refusal("\x80\x02NNR."s), "calls what is no global"));
  CHECK(has(refusal("\x80\x02"
                    "ca\nf\nNR."s),
            "a call's arguments are no tuple"));
  CHECK(has(refusal("\x80\x01."s), "pickle protocol 1 is not read, 2 to 5 are"));
  CHECK(has(refusal("\x80\x02X\xff\xff\xff\xff."s), "1 bytes are left where 4294967295 are needed"));
}

}  // namespace
}  // namespace crossload
