import stylistic from '@stylistic/eslint-plugin'
import ts from 'typescript-eslint'

export default ts.config(
  { ignores: ['dist', '**/.nuxt', '**/.output'] },
  ts.configs.strict,
  stylistic.configs.customize({ quotes: 'single', semi: false }),
  {
    rules: {
      'no-console': 'error',
      // To leave members out is what they are named for.
      '@typescript-eslint/no-unused-vars': ['error', { ignoreRestSiblings: true }],
    },
  },
)
