import stylistic from '@stylistic/eslint-plugin'
import ts from 'typescript-eslint'

export default ts.config(
  { ignores: ['dist', 'dist-*', 'example/dist'] },
  ts.configs.strict,
  stylistic.configs.customize({ quotes: 'single', semi: false }),
  {
    rules: {
      'no-console': 'error',
      // To leave members out is what they are named for.
      '@typescript-eslint/no-unused-vars': ['error', { ignoreRestSiblings: true }],
      // Elements of arrays are asked for by indexes that were found in them.
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
)
