// Expected signatures are TensorFlow's documentation (tf.raw_ops), not the table's text.
#include "graph/tf_ops.h"

#include <doctest/doctest.h>

#include "support/errors.h"

namespace crossload::graph {
namespace {

using enum DType;
using Types = std::vector<DType>;

Types infer(std::string_view name, const Types& inputs, Attrs& attrs) {
  const TfOp* op = find_tf_op(name);
  REQUIRE(op);
  return infer_types(*op, inputs, attrs);
}
Types infer(std::string_view name, const Types& inputs) {
  Attrs attrs;
  return infer(name, inputs, attrs);
}
std::string failure(std::string_view name, const Types& inputs, Attrs attrs = {}) {
  return message_of(ErrorKind::kInternal, [&] { infer(name, inputs, attrs); });
}

TEST_CASE("the whole table parses and is sorted") {
  const auto& ops = all_tf_ops();
  CHECK(ops.size() > 300);
  CHECK(std::is_sorted(ops.begin(), ops.end(), [](const TfOp& a, const TfOp& b) { return a.name < b.name; }));
  for (const TfOp& op : ops) CHECK(find_tf_op(op.name) == &op);
}

TEST_CASE("a signature is read in full") {
  const TfOp* op = find_tf_op("Conv2D");
  REQUIRE(op);
  CHECK(op->inputs.size() == 2);
  CHECK(op->inputs[1].name == "filter");
  CHECK(op->outputs[0].type_attr == "T");
  CHECK_FALSE(op->is_stateful);
  const TfAttr& dilations = op->attrs.back();
  CHECK(dilations.name == "dilations");
  CHECK(dilations.type == "list(int)");
  CHECK(dilations.default_text == "[1, 1, 1, 1]");
  CHECK(find_tf_op("RandomUniform")->is_stateful);
  CHECK(find_tf_op("SelectV2")->inputs[0].type == kBool);
  CHECK(find_tf_op("NoSuchOp") == nullptr);
  CHECK(find_tf_op("StringJoin") == nullptr);
}

TEST_CASE("operations that lowerings want are there") {
  for (const char* name : {"MatMul",
                           "BatchMatMulV2",
                           "AddV2",
                           "Mul",
                           "Sub",
                           "RealDiv",
                           "FloorDiv",
                           "FloorMod",
                           "TruncateDiv",
                           "TruncateMod",
                           "Pow",
                           "Maximum",
                           "SquaredDifference",
                           "Rsqrt",
                           "Erf",
                           "Tanh",
                           "Sigmoid",
                           "Softmax",
                           "LogSoftmax",
                           "Relu",
                           "Relu6",
                           "Elu",
                           "Selu",
                           "Softplus",
                           "LeakyRelu",
                           "Cast",
                           "Bitcast",
                           "Reshape",
                           "Transpose",
                           "ConcatV2",
                           "Pack",
                           "Unpack",
                           "Split",
                           "SplitV",
                           "ExpandDims",
                           "Squeeze",
                           "GatherV2",
                           "GatherNd",
                           "ScatterNd",
                           "TensorScatterUpdate",
                           "TensorScatterAdd",
                           "TensorScatterMax",
                           "StridedSlice",
                           "Slice",
                           "Pad",
                           "PadV2",
                           "MirrorPad",
                           "Tile",
                           "Fill",
                           "BroadcastTo",
                           "Range",
                           "LinSpace",
                           "Shape",
                           "Size",
                           "Rank",
                           "OneHot",
                           "TopKV2",
                           "Unique",
                           "UniqueV2",
                           "Where",
                           "Einsum",
                           "Cumsum",
                           "Cumprod",
                           "CumulativeLogsumexp",
                           "ReverseV2",
                           "Roll",
                           "ArgMax",
                           "ArgMin",
                           "Conv2D",
                           "Conv3D",
                           "Conv2DBackpropInput",
                           "Conv3DBackpropInputV2",
                           "DepthwiseConv2dNative",
                           "MaxPool",
                           "AvgPool",
                           "MaxPool3D",
                           "AvgPool3D",
                           "MaxPoolWithArgmax",
                           "FusedBatchNormV3",
                           "BiasAdd",
                           "ResizeBilinear",
                           "ResizeNearestNeighbor",
                           "ResizeBicubic",
                           "ResizeArea",
                           "ScaleAndTranslate",
                           "CropAndResize",
                           "DepthToSpace",
                           "SpaceToDepth",
                           "BatchToSpaceND",
                           "SpaceToBatchND",
                           "Cholesky",
                           "Qr",
                           "Svd",
                           "SelfAdjointEigV2",
                           "MatrixInverse",
                           "MatrixSolve",
                           "MatrixTriangularSolve",
                           "MatrixDeterminant",
                           "MatrixBandPart",
                           "MatrixDiagV3",
                           "MatrixDiagPartV3",
                           "MatrixSetDiagV3",
                           "FFT",
                           "IFFT",
                           "RFFT",
                           "IRFFT",
                           "FFT2D",
                           "RFFT2D",
                           "Complex",
                           "Real",
                           "Imag",
                           "Conj",
                           "Angle",
                           "RandomUniform",
                           "RandomStandardNormal",
                           "StatelessRandomUniformV2",
                           "StatelessRandomNormalV2",
                           "Multinomial",
                           "If",
                           "StatelessIf",
                           "While",
                           "StatelessWhile",
                           "PartitionedCall",
                           "BitwiseAnd",
                           "LeftShift",
                           "Invert",
                           "UnsortedSegmentSum",
                           "SegmentSum",
                           "Bincount",
                           "DenseBincount",
                           "Bucketize",
                           "LowerBound",
                           "NonMaxSuppressionV3",
                           "Digamma",
                           "Lgamma",
                           "Polygamma",
                           "Zeta",
                           "Igamma",
                           "BesselI0e",
                           "Ndtri",
                           "Erfinv",
                           "Expm1",
                           "Log1p",
                           "Xlogy",
                           "IsNan",
                           "IsFinite",
                           "Atan2",
                           "LogicalNot",
                           "SelectV2",
                           "ClipByValue",
                           "AddN",
                           "Identity",
                           "IdentityN",
                           "StopGradient",
                           "ZerosLike",
                           "OnesLike",
                           "EnsureShape",
                           "InvertPermutation",
                           "DynamicStitch",
                           "Const"}) {
    CAPTURE(name);
    CHECK(find_tf_op(name));
  }
}

TEST_CASE("types follow from inputs") {
  Attrs attrs;
  CHECK(infer("MatMul", {kFloat64, kFloat64}, attrs) == Types{kFloat64});
  CHECK(std::get<DType>(attrs.at("T")) == kFloat64);
  CHECK(infer("Less", {kInt32, kInt32}) == Types{kBool});
  CHECK(infer("GatherV2", {kFloat32, kInt64, kInt32}) == Types{kFloat32});
  CHECK(infer("Shape", {kFloat32}) == Types{kInt32});  // out_type's default
  CHECK(infer("TopKV2", {kFloat32, kInt32}) == Types{kFloat32, kInt32});
  CHECK(infer("FusedBatchNormV3", Types(5, kFloat32)).size() == 6);
}

TEST_CASE("types that only attributes give") {
  Attrs cast{{"DstT", kInt64}};
  CHECK(infer("Cast", {kBool}, cast) == Types{kInt64});
  CHECK(std::get<DType>(cast.at("SrcT")) == kBool);
  Attrs argmax{{"output_type", kInt32}};
  CHECK(infer("ArgMax", {kFloat32, kInt32}, argmax) == Types{kInt32});
  CHECK(infer("ArgMax", {kFloat32, kInt32}) == Types{kInt64});
  CHECK(infer("Range", {kInt64, kInt64, kInt64}) == Types{kInt64});
  Attrs constant{{"value", Tensor::scalar_int32(3)}};
  CHECK(infer("Const", {}, constant) == Types{kInt32});
  CHECK(std::get<DType>(constant.at("dtype")) == kInt32);
}

TEST_CASE("lists are flat and their length is what is left over") {
  Attrs concat;
  CHECK(infer("ConcatV2", {kFloat32, kFloat32, kFloat32, kInt32}, concat) == Types{kFloat32});
  CHECK(std::get<int64_t>(concat.at("N")) == 3);
  CHECK(std::get<DType>(concat.at("Tidx")) == kInt32);
  Attrs stitch;  // DynamicStitch(indices: N * int32, data: N * T)
  CHECK(infer("DynamicStitch", {kInt32, kInt32, kFloat32, kFloat32}, stitch) == Types{kFloat32});
  CHECK(std::get<int64_t>(stitch.at("N")) == 2);
  Attrs identity;
  CHECK(infer("IdentityN", {kFloat32, kBool}, identity) == Types{kFloat32, kBool});
  CHECK(std::get<Types>(identity.at("T")) == Types{kFloat32, kBool});
  Attrs split{{"num_split", int64_t{4}}};
  CHECK(infer("Split", {kInt32, kFloat16}, split) == Types(4, kFloat16));
}

TEST_CASE("Tout comes from the function") {
  auto branch = std::make_shared<Graph>();
  branch->nodes.push_back({"Const", "c", {}, {{"value", Tensor::scalar_int32(1)}}, {Value{kInt32, SymDims{}, {}}}, {}});
  branch->outputs.push_back({"output.0", {0, 0}});
  const std::shared_ptr<const Graph> function = branch;
  Attrs attrs{{"then_branch", function}, {"else_branch", function}};
  CHECK(infer("StatelessIf", {kBool, kFloat32, kInt64}, attrs) == Types{kInt32});
  CHECK(std::get<Types>(attrs.at("Tin")) == Types{kFloat32, kInt64});
}

TEST_CASE("real and complex types go together") {
  CHECK(infer("RFFT", {kFloat64, kInt32}) == Types{kComplex128});
  CHECK(infer("IRFFT", {kComplex128, kInt32}) == Types{kFloat64});
  CHECK(infer("Real", {kComplex128}) == Types{kFloat64});
  CHECK(infer("Complex", {kFloat64, kFloat64}) == Types{kComplex128});
  CHECK(infer("Eig", {kComplex64}) == Types(2, kComplex64));
}

TEST_CASE("an int for a float attribute becomes a double") {
  Attrs attrs{{"alpha", int64_t{1}}};
  infer("LeakyRelu", {kFloat32}, attrs);
  CHECK(std::get<double>(attrs.at("alpha")) == 1.0);
}

TEST_CASE("misfits are told with both sides") {
  CHECK(failure("AddV2", {kFloat32, kInt32}) ==
        "AddV2: input `y` is int32; attribute `T` is float32 already, so cast one of the inputs");
  CHECK(failure("SelectV2", {kInt32, kFloat32, kFloat32}) == "SelectV2: input `condition` is int32; it must be bool");
  CHECK(failure("MatMul", {kFloat32}) == "MatMul: 1 inputs (float32); the signature takes 2");
  CHECK(failure("Cast", {kFloat32}) == "Cast: attribute `DstT` (type) is missing");
  CHECK(failure("Relu", {kBool}).starts_with("Relu: no CPU kernel for `T` = bool; it takes "));
  CHECK(failure("Relu", {kFloat32}, {{"slope", 1.0}}).starts_with("Relu: no attribute `slope`"));
  CHECK(failure("Relu6", {kFloat32}, {{"T", int64_t{1}}}) == "Relu6: attribute `T` is a int; it must be a type");
  CHECK(failure("ConcatV2", {kFloat32, kInt32}) == "ConcatV2: attribute `N` or its length is 1; at least 2 is wanted");
  CHECK(failure("MaxPool", {kFloat32},
                {{"ksize", std::vector<int64_t>(4, 1)}, {"strides", std::vector<int64_t>(4, 1)}, {"padding", "same"}})
            .starts_with("MaxPool: attribute `padding` is \"same\"; allowed are SAME, VALID"));
}

}  // namespace
}  // namespace crossload::graph
