import stylistic from '@stylistic/eslint-plugin'
import vue from 'eslint-plugin-vue'
import ts from 'typescript-eslint'

export default ts.config(
  { ignores: ['dist', '**/.nuxt', '**/.output'] },
  ts.configs.strict,
  vue.configs['flat/recommended'],
  stylistic.configs.customize({ quotes: 'single', semi: false }),
  {
    files: ['**/*.vue'],
    languageOptions: { parserOptions: { parser: ts.parser } },
  },
  {
    rules: {
      'no-console': 'error',
      // An absent prop is undefined, and the types say so.
      'vue/require-default-prop': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
)
