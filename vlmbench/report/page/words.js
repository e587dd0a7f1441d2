// Every word of the page, in both languages. Names of benchmarks, categories and models are data and stay.
const WORDS = {
  skip: ["Skip to the answers", "跳到回答"],
  report: ["Run report", "评测报告"], sideBySide: ["Two runs side by side", "两次运行对照"],
  training: ["Training curves", "训练曲线"],
  figures: ["Figures", "指标"], answers: ["Answers", "回答"],
  rules: ["Rule set", "评分规则"], theme: ["Theme", "主题"], language: ["中文", "English"],
  auto: ["system", "跟随系统"], light: ["light", "浅色"], dark: ["dark", "深色"],
  interval: ["95 % interval", "95 % 置信区间"], noInterval: ["no interval", "无置信区间"],
  question: ["questions", "题"], row: ["rows", "行"], of: ["of", "/"],
  complete: ["complete", "完整"], incomplete: ["incomplete", "未完成"], partial: ["only some questions asked", "只问了部分题目"],
  blind: ["blind: the model saw grey pictures", "盲测：模型只看到灰色图片"], withheld: ["answers withheld, nothing scored", "答案未公开，未评分"],
  needsJudge: ["needs a judge", "待裁判模型评分"],
  none: ["none", "无"], categories: ["By category", "按类别"], category: ["Category", "类别"], score: ["Score", "得分"], n: ["n", "n"],
  noCategories: ["This benchmark has no categories.", "此评测集没有类别。"],
  bias: ["Option bias", "选项偏好"],
  biasWhy: ["How often each option was answered (bar) and how often it is right (line).", "各选项被回答的比例（条形）与其为正确答案的比例（竖线）。"],
  option: ["Option", "选项"], answered: ["Answered", "回答"], truth: ["Right answer", "正确答案"], share: ["Truth", "实际"],
  confusion: ["Confusion", "混淆矩阵"], confusionWhy: ["Rows: the right answer. Columns: the model's answer.", "行：正确答案；列：模型的回答。"],
  other: ["other", "其他"], noneFound: ["none found", "未识别"], noAnswer: ["no answer found", "未识别到答案"],
  latency: ["Time per answer", "每条回答耗时"], median: ["median", "中位数"], p95: ["95th percentile", "第 95 百分位"], most: ["longest", "最长"],
  newTokens: ["tokens per answer, median", "每条回答的 token 数（中位数）"], rate: ["rows per second", "每秒行数"],
  unreadTitle: ["No answer found", "未识别到答案"], errorTitle: ["Errors", "请求错误"],
  nothing: ["None.", "没有。"], showAll: ["Show all in the list", "在列表中显示全部"], about: ["About this run", "关于本次运行"],
  freeText: ["The answers are free text; there are no options to count.", "答案为自由文本，没有可统计的选项。"],
  notMeasured: ["Not measured.", "未测量。"],
  search: ["Search questions, answers, ids", "搜索题目、回答、编号"], allCategories: ["All categories", "所有类别"],
  all: ["All", "全部"], wrong: ["Wrong", "答错"], right: ["Right", "答对"], unparsed: ["No answer found", "未识别"], error: ["Errors", "请求错误"],
  disagree: ["Rule sets disagree", "评分规则不一致"], flipped: ["Flipped", "结果翻转"], gained: ["Only B right", "仅 B 答对"], lost: ["Only A right", "仅 A 答对"],
  unscored: ["not scored", "未评分"], partly: ["partly right", "部分答对"],
  shown: ["rows shown", "行"], noRows: ["No row matches.", "没有匹配的行。"], list: ["Rows", "行"],
  pick: ["Choose a row to see all of it.", "选择一行，查看完整内容。"], hint: ["Hint", "提示"],
  options: ["Options", "选项"], prompt: ["Prompt as sent", "实际发送的提示词"],
  promptWhy: ["before the model's chat template", "未套用模型的对话模板"], raw: ["Raw answer", "原始回答"],
  draw: ["Draw", "采样"], majority: ["as most draws", "与多数一致"], drawsEach: ["draws of each", "次采样／题"],
  deviation: ["Standard deviations:", "标准差："], within: ["between draws of a question", "（同题各次采样之间）"], among: ["between questions", "（各题之间）"], comma: [", ", "，"],
  thought: ["Thought", "思考过程"], unfinished: ["no answer after it", "没有给出答案"],
  readAs: ["How each rule set read it", "各评分规则的判读"], found: ["Found", "识别结果"], worth: ["Score", "得分"], reason: ["Reason", "依据"],
  group: ["The same question in every rotation", "同一题的所有轮换"], groupRows: ["Rows of the same group", "同组的行"],
  groupRight: ["right in every rotation", "所有轮换均答对"], groupWrong: ["not right in every rotation", "并非所有轮换均答对"],
  picture: ["Picture", "图片"], tile: ["tile", "块"], tiles: ["tiles", "块"], noPicture: ["picture not available", "没有图片"], cut: ["cut here; the whole text has", "此处截断；全文共"], characters: ["characters", "个字符"],
  tooLong: ["stopped at the token limit", "达到 token 上限而截断"], judged: ["by the judge", "由裁判模型判定"], emptyAnswer: ["an empty answer", "空回答"],
  seconds: ["s", "秒"], tokens: ["tokens", "token"], previous: ["Previous row", "上一行"], next: ["Next row", "下一行"], keys: ["Keys", "快捷键"], close: ["Close", "关闭"],
  keyNext: ["next and previous row", "下一行和上一行"], keyEnds: ["first and last row (in the list)", "第一行和最后一行（列表中）"], keySearch: ["search", "搜索"],
  keyWrong: ["wrong only, and back", "仅看答错，再按返回"], keyUnparsed: ["no answer found, and back", "仅看未识别，再按返回"], keyHelp: ["this list", "显示本列表"], keyEscape: ["leave the search, back to the list or the gallery, close", "离开搜索，返回列表或图集，关闭"],
  better: ["B is better than A", "B 优于 A"], worse: ["B is worse than A", "B 不如 A"], same: ["A and B cannot be told apart", "A 与 B 无显著差异"],
  percentPoints: ["percentage points", "个百分点"], points: ["points", "分"], notTested: ["Not tested against each other", "未做检验"],
  rowMean: ["the rows' mean score", "各行平均得分"], inClusters: ["in", "归为"], clusters: ["clusters", "组"],
  smallest: ["The smallest difference this set detects with 80 % power", "该评测集以 80 % 的检验功效能检出的最小差异"],
  smallestNone: ["The smallest difference this set can detect is unknown: the scores do not vary.", "得分没有波动，无法计算该评测集能检出的最小差异。"], untested: ["not tested", "未检验"], noVerdict: ["no verdict", "无判定"], otherRows: ["other rows", "行不相同"],
  notKept: ["answers were not kept", "回答未保留"],
  noVerdicts: ["The verdicts of this rule set were not kept by row; its figures above are complete.", "未保留该评分规则的逐行判定；上方的指标仍是完整的。"],
  notKeptWhy: ["This run was kept without its answers: figures and verdicts are shown; answers, errors, times and option counts are not.", "本次运行没有保留回答：这里有得分和判定，没有回答原文、请求错误、耗时和选项统计。"],
  steps: ["optimizer steps", "步"], last: ["last", "最后"], axisStep: ["optimizer step", "训练步数"], beforeTraining: ["before training", "训练前"],
  notBefore: ["The model was not evaluated before training, so the first point is a checkpoint's.", "训练前的模型没有评测，因此第一个点是训练中的检查点。"], unread: ["unreadable lines", "无法读取的行"], gaps: ["not finite", "非有限数"],
  picked: ["Chosen by a figure above", "在上方图表中选定的条件"], takeAway: ["remove this filter", "移除此筛选"], clear: ["Clear all filters", "清除所有筛选"], run: ["run", "运行"], atLeast: ["at least", "至少"],
  byRow: ["Row by row", "逐行"], holm: ["B − A in", "B − A 单位："], holmWhy: ["; p adjusted for several categories (Holm).", "；p 值已按多个类别做 Holm 校正。"],
  and: [" and ", "、"], view: ["View", "视图"], asList: ["List", "列表"], asGallery: ["Gallery", "图集"], filters: ["Filters", "筛选"], order: ["Order", "排序"],
  order_file: ["File order", "文件顺序"], order_worst: ["Worst first", "最差类别优先"], order_slowest: ["Slowest first", "最慢优先"], order_longest: ["Longest first", "最长优先"],
  further: ["Show more", "显示更多"], failures: ["See the wrong answers", "查看答错的题"], copyLink: ["link to this row", "本行链接"], onPaper: ["The chosen row", "选定的一行"],
  keyCards: ["move between pictures (in the gallery)", "在图集中移动"], keyOpen: ["open the picture's row; go into the row's text", "打开图片对应的行；进入该行正文"], keyGallery: ["gallery, and back to the list", "切换图集和列表"],
  wait: ["Reading the questions…", "正在读取题目……"],
};
const LEVELS = { split: ["Split", "划分"], task: ["Task", "任务"], skill: ["Skill", "技能"], measure: ["Measure", "指标"], check: ["Checks", "检查"], category: ["Category", "类别"], "l2-category": ["Ability", "能力"], overall: ["Overall", "总体"], base: ["First rotation only", "仅首个轮换"], row: ["Row by row", "逐行"], draws: ["Several draws", "多次采样"] };
const FACTS = {
  model: ["model", "模型"], architecture: ["architecture", "结构"], precision: ["precision", "精度"], "prompt style": ["prompt style", "提示词格式"], decoding: ["decoding", "解码"], draws: ["draws of each question", "每题采样次数"],
  data: ["data", "数据"], md5: ["MD5", "MD5"], limit: ["limit", "题数上限"], seed: ["seed", "随机种子"], judge: ["judge", "裁判模型"], started: ["started", "开始时间"], vlmbench: ["vlmbench", "vlmbench"],
};
const NOTES = {
  "no file": ["The benchmark's file is not here, so prompts and pictures cannot be shown.", "本机没有该评测集的数据文件，无法显示提示词和图片。"],
  "not proven": ["Prompts are worded by this version of vlmbench; for a partial run their digest cannot verify them.", "提示词由当前版本的 vlmbench 生成；只问了部分题目时，无法用摘要核对。"],
  "other wording": ["This version words prompts differently from the run, so they are not shown.", "当前版本生成的提示词与运行时不同，因此不显示。"],
};
// Names of measures and tests are words; names at these levels are data.
const NAMED = ["category", "l2-category", "task", "skill"];
const MEASURES = {
  "circular accuracy": ["circular accuracy", "循环准确率"], accuracy: ["accuracy", "准确率"], "base-row accuracy": ["base-row accuracy", "首个轮换准确率"], "row accuracy": ["row accuracy", "逐行准确率"],
  "relaxed accuracy": ["relaxed accuracy", "宽松准确率"], "accuracy-plus": ["accuracy-plus", "准确率+（整图全对）"], precision: ["precision", "精确率"], recall: ["recall", "召回率"], "mean F1 of the splits": ["mean F1 of the splits", "各划分 F1 均值"],
  perception: ["perception", "感知"], cognition: ["cognition", "认知"], total: ["total", "总分"], "mean grade": ["mean grade", "平均评分"], "relative score": ["relative score", "相对得分"],
  "points of the answers": ["points of the answers", "回答得分"], "points of the references": ["points of the references", "参考答案得分"], "mean of aAcc, fAcc, qAcc": ["mean of aAcc, fAcc, qAcc", "aAcc、fAcc、qAcc 均值"],
  "Final Score": ["Final Score", "总得分"], "Final Score Norm": ["Final Score Norm", "归一化总得分"], "pictures with one question": ["pictures with one question", "仅有一题的图片"],
};
const stepName = (step) => (step === 0 ? say("beforeTraining") : state.language ? `第 ${count(step)} 步` : `step ${count(step)}`);
const TESTS = { "McNemar exact": ["McNemar exact", "McNemar 精确检验"], "McNemar mid-p": ["McNemar mid-p", "McNemar mid-p 检验"], "clustered t": ["clustered t", "聚类 t 检验"] };
const state = { language: 0, theme: "auto", rules: null, row: null, filter: "all", category: null, search: "", run: null, answer: null, truth: null, seconds: null, sort: "file", view: "list" };
const say = (key) => WORDS[key][state.language];
// What a difference is of, and over how much.
const scopeOf = (quantity, units) => (state.language ? `（${quantity ? `${quantity}，` : ""}${units}）` : `${quantity ? ` of ${quantity}` : ""} over ${units}`);
const levelName = (level) => (LEVELS[level] || [level, level])[state.language];
// "random F1" is F1 within the split "random".
function measureName(name) {
  const [, before, last] = /^(?:(.*) )?(\S+)$/.exec(name) || [null, null, name];
  if (Object.hasOwn(MEASURES, name)) return MEASURES[name][state.language];
  return before && ["accuracy", "precision", "recall"].includes(last) ? `${before} ${MEASURES[last][state.language]}` : name;
}

