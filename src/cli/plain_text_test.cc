#include "cli/plain_text.h"

#include <doctest/doctest.h>

namespace crossload::cli {

TEST_CASE("plain text keeps what can be read") {
  CHECK(plain_text("encoder.layer.3 → größer, 模型 😀") == "encoder.layer.3 → größer, 模型 😀");
}

TEST_CASE("plain text shows what would steer a terminal") {
  CHECK(plain_text("\x1b[31mred\n\r\x07\x7f") == "?[31mred????");
  CHECK(plain_text("a\xc2\x9b"
                   "31m") == "a?31m");  // U+009B, a control character of two bytes
  CHECK(plain_text("a\xe2\x80\xae"
                   "b") == "a?b");                            // U+202E turns the writing direction
  CHECK(plain_text("\x9b\xff\xc0\xaf\xe2\x80") == "??????");  // no UTF-8
  CHECK(plain_text("\xed\xa0\x80") == "???");                 // half a surrogate pair
  CHECK(plain_text(std::string_view("a\0b", 3)) == "a?b");
}

TEST_CASE("plain lines keep their breaks and tabs") { CHECK(plain_lines("a\n\tb\r\x1b[1m\n") == "a\n\tb??[1m\n"); }

}  // namespace crossload::cli
