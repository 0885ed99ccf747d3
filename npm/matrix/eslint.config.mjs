import stylistic from '@stylistic/eslint-plugin'
import ts from 'typescript-eslint'

export default ts.config(
  { ignores: ['tools', '**/.nuxt', '**/.output'] },
  ts.configs.strict,
  stylistic.configs.customize({ quotes: 'single', semi: false }),
  { rules: { 'no-console': 'error', '@typescript-eslint/no-unused-vars': ['error', { ignoreRestSiblings: true }] } },
)
