#include "program/call_sites.h"

#include <doctest/doctest.h>

namespace crossload::program {
namespace {

TEST_CASE("the innermost module and its call") {
  const CallSite site = module_of(
      "L__self__,,transformers.models.bert.modeling_bert.BertModel;"
      "L__self__encoder.layer.0,encoder.layer.0,transformers.models.bert.modeling_bert.BertLayer");
  CHECK(site.module == "encoder.layer.0");
  CHECK(site.module_class == "BertLayer");
  CHECK(site.call == "encoder.layer.0");

  CHECK(module_of("L__self___norm@1,norm,torch.nn.LayerNorm").call == "norm@1");
  CHECK(module_of("L__self___norm@x,norm,torch.nn.LayerNorm").call == "norm");
  CHECK(module_of("L__self__,,__main__.make.<locals>.Net").module_class == "Net");
  CHECK(module_of("a;b,c").module_class.empty());
  CHECK(module_of("k,blocks,my.Stack[int, my.Block;x]").module == "blocks");
}

TEST_CASE("the source line outside PyTorch, without folders") {
  const char* const trace =
      "File \"/home/user/lib/site-packages/transformers/models/bert/modeling_bert.py\", line 335, in forward\n"
      "    hidden_states = self.dense(hidden_states)\n"
      "  File \"/home/user/lib/site-packages/torch/nn/modules/linear.py\", line 134, in forward\n"
      "    return F.linear(input, self.weight, self.bias)";
  CHECK(source_of(trace) == "modeling_bert.py:335");
  CHECK(source_of("File \"C:\\models\\net.py\", line 7, in forward") == "net.py:7");
  CHECK(source_of("File \"/x/site-packages/torch/nn/modules/linear.py\", line 134, in forward") == "linear.py:134");
  CHECK(source_of("File \"<eval_with_key>.6\", line 6, in forward") == "");
  CHECK(source_of("") == "");
  CHECK(source_of("File \"unfinished") == "");
}

TEST_CASE("call sites are kept once; compiler-made nodes have none") {
  CallSites sites;
  CHECK(sites.index_of("k,a,m.A", "File \"/a.py\", line 1, in f") == 0);
  CHECK(sites.index_of("k,b,m.A", "File \"/a.py\", line 1, in f") == 1);
  CHECK(sites.index_of("k,a,m.A", "File \"/a.py\", line 1, in f") == 0);
  CHECK(sites.index_of("k@1,a,m.A", "File \"/a.py\", line 1, in f") == 2);
  const char* const made = "_empty_nn_module_stack_from_metadata_hook,_empty_nn_module_stack_from_metadata_hook,x";
  CHECK(sites.index_of(made, "File \"torch/fx/passes/runtime_assert.py\", line 24, in x") == -1);
  CHECK(sites.index_of("", "") == -1);
  CHECK(sites.take().size() == 3);
}

}  // namespace
}  // namespace crossload::program
