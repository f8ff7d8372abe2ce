#include "app/tf_judge.h"

#include <doctest/doctest.h>

#include <limits>

namespace crossload::app {

TEST_CASE("noise excuses inner states, never what a model is run for") {
  constexpr double kLimit = 5e-5;
  const auto is_over = [](const char* name, double crossload, double conversion, bool is_excused) {
    return JudgedOutput{name, crossload, conversion, 1.0, is_excused}.is_over(kLimit);
  };
  for (const char* name : {"logits", "last_hidden_state", "encoder_last_hidden_state", "pooler_output"}) {
    CHECK(is_over(name, 6e-5, 0, true));
    CHECK(is_over(name, 0, 6e-5, true));
    CHECK_FALSE(is_over(name, 5e-5, 5e-5, false));
  }
  for (const char* name : {"hidden_states.3", "encoder_hidden_states.0"}) {
    CHECK_FALSE(is_over(name, 6e-5, 6e-5, true));
    CHECK(is_over(name, 6e-5, 6e-5, false));
  }
  CHECK(is_over("logits", 0, std::numeric_limits<double>::infinity(), true));
}

TEST_CASE("hidden states are what Transformers' command took for them") {
  for (const char* name : {"last_hidden_state", "hidden_states.0", "decoder_hidden_states.2"}) {
    CHECK(JudgedOutput{name}.is_hidden());
  }
  for (const char* name : {"logits", "pooler_output", "past_key_values.0.1"})
    CHECK_FALSE(JudgedOutput{name}.is_hidden());
}

}  // namespace crossload::app
