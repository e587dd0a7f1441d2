// Categories of the benchmarks that many ask, in Chinese as their papers have them; every other name is data.
const CATEGORY_NAMES = {
  coarse_perception: "粗粒度感知", "finegrained_perception (instance-level)": "细粒度感知（单实例）", "finegrained_perception (cross-instance)": "细粒度感知（跨实例）",
  attribute_reasoning: "属性推理", relation_reasoning: "关系推理", logic_reasoning: "逻辑推理",
  action_recognition: "动作识别", attribute_comparison: "属性比较", attribute_recognition: "属性识别", celebrity_recognition: "名人识别", function_reasoning: "功能推理",
  future_prediction: "未来预测", identity_reasoning: "身份推理", image_emotion: "图像情感", image_quality: "图像质量", image_scene: "图像场景", image_style: "图像风格", image_topic: "图像主题",
  nature_relation: "自然关系", object_localization: "目标定位", ocr: "文字识别", physical_property_reasoning: "物理属性推理", physical_relation: "物理关系", social_relation: "社会关系",
  spatial_relationship: "空间关系", structuralized_imagetext_understanding: "结构化图文理解",
  colour: "颜色", color: "颜色", counting: "计数", count: "计数", existence: "有无", position: "位置", shape: "形状", posters: "海报", celebrity: "名人", scene: "场景", landmark: "地标",
  artwork: "艺术品", OCR: "文字识别", commonsense_reasoning: "常识推理", numerical_calculation: "数值计算", text_translation: "文本翻译", code_reasoning: "代码推理",
};
// Called as its file has it, with blanks where a name has none: "relation_reasoning".
const inWords = (name) => (state.language && Object.hasOwn(CATEGORY_NAMES, name) ? CATEGORY_NAMES[name] : name.replaceAll("_", " "));

// Figures of a training as most trainings name them; any other name is data.
const CURVES = {
  loss: ["Loss", "损失"], learning_rate: ["Learning rate", "学习率"], lr: ["Learning rate", "学习率"], tokens_per_second: ["Tokens per second", "每秒 token 数"], "tokens/s": ["Tokens per second", "每秒 token 数"],
  samples_per_second: ["Samples per second", "每秒样本数"], grad_norm: ["Gradient norm", "梯度范数"], rows_per_second: ["Records per second", "每秒样本数"], memory: ["Peak memory, GB", "内存峰值（GB）"], skipped: ["Records skipped", "跳过的样本数"], eval_loss: ["Evaluation loss", "验证损失"],
};
const PARTS = { projector: ["projector", "投影层"], language: ["language model", "语言模型"], "language model": ["language model", "语言模型"], vision: ["vision tower", "视觉塔"] };
const valueOf = (name) => (name === "memory" ? (bytes) => short(bytes / 1e9) : short);
function curveName(name) {
  const [head, ...rest] = name.split(": "), part = rest.join(": "), known = (words, key) => (Object.hasOwn(words, key) ? words[key][state.language] : key.replaceAll("_", " "));
  return part ? `${known(CURVES, head)}${state.language ? "：" : ": "}${known(PARTS, part)}` : known(CURVES, head);
}
