/* The layers of the sources, which `npm run lint` checks. Imports of types count, too. */

/** The folders that each folder of src may import from, apart from itself. */
const MAY_IMPORT = {
  download: [],
  protocol: [],
  sound: ["download"],
  music: ["protocol"],
  engine: ["download", "protocol", "music"],
  offline: [],
  notation: ["protocol", "music"],
  playback: ["protocol", "sound", "music"],
  page: ["protocol", "sound", "music", "engine", "notation", "playback"],
  "blind-test": ["protocol", "sound", "music", "playback", "page"],
  tune: ["protocol", "sound", "music", "engine", "notation", "playback", "page"],
};

const folders = Object.keys(MAY_IMPORT);

/** @type {import("dependency-cruiser").IConfiguration} */
export default {
  forbidden: [
    ...Object.entries(MAY_IMPORT).map(([folder, others]) => ({
      name: `layer-${folder}`,
      severity: "error",
      from: { path: `^src/${folder}/` },
      to: { path: "^src/", pathNot: `^src/(${[folder, ...others].join("|")})/` },
    })),
    {
      name: "no-other-folder",
      severity: "error",
      from: {},
      to: { path: "^src/", pathNot: `^src/(${folders.join("|")})/` },
    },
    { name: "no-cycle", severity: "error", from: {}, to: { circular: true } },
  ],
  options: {
    includeOnly: "^(src|test)/",
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
  },
};
